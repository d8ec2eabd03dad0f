"""Many accounts are created at once by the rules of one."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from apps.common.rest.problems import Problem
from apps.users import contacts
from apps.users.models import ExternalId, User
from apps.users.named_accounts import NamedAccount, create_named

pytestmark = pytest.mark.django_db


def codes(answers: list[Any]) -> list[str | None]:
    """Return the code of each account that was refused, and None for each that was created."""
    return [answer.problem_code if isinstance(answer, Problem) else None for answer in answers]


def test_accounts_are_created_in_the_order_of_their_names() -> None:
    names = ["zoe", "adam", "mia"]
    answers = create_named(
        [NamedAccount(email=f"{name}@example.com", external_id=name) for name in names],
        client="shop",
    )
    found = contacts.users_of_external_ids(names, client="shop")
    assert answers == [found[name] for name in names]
    assert User.objects.filter(email_confirmed_at__isnull=False).count() == 3


def test_a_conflict_refuses_its_own_account_only() -> None:
    first = [NamedAccount(email="adam@example.com", external_id="1")]
    assert codes(create_named(first, client="shop")) == [None]
    again = [
        NamedAccount(email="zoe@example.com", external_id="2"),
        NamedAccount(email="ADAM@example.com", external_id="3"),
        NamedAccount(email="mia@example.com", external_id="1"),
        NamedAccount(email="bob@example.com"),
    ]
    expected = [None, "duplicate_email", "duplicate_external_id", None]
    assert codes(create_named(again, client="shop")) == expected
    assert set(User.objects.values_list("email_key", flat=True)) == {
        "adam@example.com",
        "zoe@example.com",
        "bob@example.com",
    }
    assert dict(ExternalId.objects.values_list("value", "user__email")) == {
        "1": "adam@example.com",
        "2": "zoe@example.com",
    }


def test_staff_have_no_external_ids() -> None:
    create_named([NamedAccount(email="adam@example.com", external_id="1")], client="")
    assert ExternalId.objects.count() == 0


def test_five_hundred_accounts_take_two_inserts(django_assert_max_num_queries: Any) -> None:
    named = [NamedAccount(email=f"reader{n}@example.com", external_id=str(n)) for n in range(500)]
    with django_assert_max_num_queries(40):
        create_named(named, client="shop")
    assert User.objects.count() == 500


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_an_account_that_another_process_creates_at_the_same_time_is_refused() -> None:
    named = [NamedAccount(email=f"{name}@example.com", external_id=name) for name in ("zoe", "mia")]

    def create_too() -> list[Any]:
        try:
            with transaction.atomic():
                return create_named([*named, NamedAccount(email="bob@example.com")], client="shop")
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            create_named(list(reversed(named)), client="shop")
            other = pool.submit(create_too)
            time.sleep(0.3)
            assert not other.done()
        assert codes(other.result()) == ["duplicate_email", "duplicate_email", None]
    assert (User.objects.count(), ExternalId.objects.count()) == (3, 2)
