"""Staff find users by id, address, external id and the beginning of a name or an address."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.users import search
from apps.users.models import ExternalId, User
from apps.users.search import find_users, user_of_address

pytestmark = pytest.mark.django_db


def found(term: str) -> set[UUID]:
    return set(find_users(term).ids)


def named(name: str, email: str) -> User:
    return User.objects.create_user(name=name, email=email)


def test_a_user_is_found_by_the_id(alice: User, bob: User) -> None:
    assert found(str(alice.pk)) == {alice.pk}
    assert found(f" {str(alice.pk).upper()} ") == {alice.pk}


@pytest.mark.parametrize(
    "spelling", ["alice@example.com", "ALICE@Example.com", " Alice@example.COM"]
)
def test_a_user_is_found_by_the_address_in_any_spelling(
    alice: User, bob: User, spelling: str
) -> None:
    assert found(spelling) == {alice.pk}


def test_an_international_domain_is_found_in_both_spellings() -> None:
    user = named("Zoe", "zoe@bücher.example")

    assert found("zoe@bücher.example") == {user.pk}
    assert found("ZOE@xn--bcher-kva.example") == {user.pk}


def test_users_are_found_by_the_beginning_of_an_address(alice: User, bob: User) -> None:
    other = named("Somebody", "ALICIA@example.com")

    assert found("alic") == {alice.pk, other.pk}
    assert found("Alice@exam") == {alice.pk}


def test_a_full_address_finds_no_longer_one(alice: User) -> None:
    named("Somebody", "alice@example.com.example")

    assert found("alice@example.com") == {alice.pk}


@pytest.mark.parametrize("prefix", ["Ada Lo", "ada lo", "ADA LO"])
def test_users_are_found_by_the_beginning_of_the_name_in_any_case(prefix: str) -> None:
    user = named("Ada Lovelace", "countess@example.com")
    named("Lovelace, Ada Lo", "other@example.com")

    assert found(prefix) == {user.pk}


@pytest.mark.parametrize("term", ["100%", "a_b", "back\\slash", "%", "_", "\\"])
def test_no_character_of_a_term_has_a_special_meaning(term: str) -> None:
    user = named(f"{term} of them", "one@example.com")
    named("100 of them", "two@example.com")
    named("axb of them", "three@example.com")

    assert found(term) == {user.pk}


def test_a_user_is_found_by_the_external_id_of_any_client(alice: User, bob: User) -> None:
    ExternalId.objects.create(user=alice, client="shop", value="Customer-7")
    ExternalId.objects.create(user=bob, client="bank", value="Customer-7")
    ExternalId.objects.create(user=bob, client="shop", value="Customer-70")

    assert found("Customer-7") == {alice.pk, bob.pk}


def test_an_external_id_may_be_a_uuid(alice: User) -> None:
    value = str(uuid4())
    ExternalId.objects.create(user=alice, client="shop", value=value)

    assert found(value) == {alice.pk}


def test_nothing_is_found_by_an_empty_term(alice: User) -> None:
    assert find_users("  ") == search.FoundUsers()


def test_erased_users_are_not_found(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(erased_at=timezone.now())

    assert found(str(alice.pk)) == set()
    assert found("alice") == set()
    assert user_of_address("alice@example.com") is None


def test_a_search_reads_no_more_users_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "USERS_MAX", 3)
    users: list[Any] = [named(f"Ann {number}", f"n{number}@example.com") for number in range(5)]

    result = find_users("ann")

    assert (set(result.ids), result.more) == ({user.pk for user in users[:3]}, True)
    assert find_users("ann 1").more is False


def test_the_owner_of_an_address_today_is_found(alice: User) -> None:
    assert user_of_address("ALICE@example.com") == alice.pk
    assert user_of_address("alice") is None
