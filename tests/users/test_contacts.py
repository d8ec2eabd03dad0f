"""``contacts``, the interface of the user app for the pipeline."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.common.ids import new_id
from apps.common.ttl_cache import TtlCache
from apps.users import contacts, devices, locales, preferences, suppressions
from apps.users.addresses import address_hash
from apps.users.models import CategoryPreference, Device, ExternalId, Suppression, User
from tests.users.conftest import logged_in, make


def test_a_contact_has_everything_needed_to_reach_a_user(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(locale="pt-BR", timezone="Africa/Lagos")
    phone, _ = devices.register(user_id=alice.pk, token="one")
    contact = contacts.load_contacts([alice.pk])[alice.pk]
    assert contact == contacts.Contact(
        user_id=alice.pk,
        name="Alice",
        email="alice@example.com",
        locale="pt-BR",
        timezone="Africa/Lagos",
        devices=(contacts.DeviceContact(id=phone.pk, token="one", platform="android"),),
        suppressed=False,
        preferences=preferences.Preferences(),
    )
    assert contact.quiet_until(timezone.now()) is None


def test_a_chunk_takes_four_queries(django_assert_num_queries: Any, db: None) -> None:
    users = [make(f"user{number}") for number in range(100)]
    for user in users:
        devices.register(user_id=user.pk, token=f"token-{user.pk}")
    # Queries: the users, their devices, their categories, the suppression list.
    with django_assert_num_queries(4):
        found = contacts.load_contacts([user.pk for user in users])
    assert len(found) == 100


def test_unknown_ids_have_no_contacts(db: None) -> None:
    assert contacts.load_contacts([new_id()]) == {}
    assert contacts.load_contacts([]) == {}


def test_an_unconfirmed_address_is_not_used(db: None) -> None:
    user = make("alice", email_confirmed_at=None)
    contact = contacts.load_contacts([user.pk])[user.pk]
    assert contact.email is None
    assert contact.suppressed is False


def test_a_contact_has_an_international_domain_in_ascii(db: None) -> None:
    user = make("alice", email="Alice@bücher.example")
    assert contacts.load_contacts([user.pk])[user.pk].email == "Alice@xn--bcher-kva.example"


def test_a_suppressed_address_is_recognised_in_any_spelling(alice: User, bob: User) -> None:
    contacts.suppress(email="ALICE@example.com", reason="hard_bounce")
    contacts.suppress(email="alice@example.com", reason="complaint")
    found = contacts.load_contacts([alice.pk, bob.pk])
    assert found[alice.pk].suppressed is True
    assert found[bob.pk].suppressed is False
    assert Suppression.objects.get().reason == "hard_bounce"


def test_many_addresses_are_suppressed_in_one_call_each_with_its_first_reason(
    alice: User, bob: User
) -> None:
    contacts.suppress(email="alice@example.com", reason="complaint")
    contacts.suppress_all(
        {
            "alice@example.com": "hard_bounce",
            "bob@example.com": "hard_bounce",
            "BOB@example.com": "x",
        }
    )
    found = Suppression.objects.order_by("address").values_list("address", "reason")
    assert list(found) == [
        ("alice@example.com", "complaint"),
        ("bob@example.com", "hard_bounce"),
    ]


def listed(email: str, **given: Any) -> int:
    entry = {"address_hash": address_hash(email), "reason": "soft_bounces", **given}
    return suppressions.add([suppressions.NewSuppression(**entry)])


def test_a_suppression_that_has_expired_has_no_effect(alice: User) -> None:
    now = timezone.now()
    listed("alice@example.com", expires_at=now + timedelta(hours=1))
    assert contacts.load_contacts([alice.pk])[alice.pk].suppressed is True
    assert contacts.suppressed(["alice@example.com"]) == {"alice@example.com"}
    Suppression.objects.update(expires_at=now - timedelta(seconds=1))
    assert contacts.load_contacts([alice.pk])[alice.pk].suppressed is False
    assert contacts.suppressed(["alice@example.com"]) == set()


def test_an_entry_is_replaced_only_by_one_that_lasts_longer(db: None) -> None:
    def found() -> tuple[str, bool]:
        entry = Suppression.objects.get()
        return entry.reason, entry.expires_at is None

    now = timezone.now()
    assert listed("alice@example.com", expires_at=now - timedelta(days=1)) == 1
    assert listed("alice@example.com", expires_at=now - timedelta(days=2)) == 0
    assert listed("alice@example.com", expires_at=now + timedelta(days=1)) == 1
    assert found() == ("soft_bounces", False)
    assert listed("alice@example.com", reason="hard_bounce") == 1
    assert found() == ("hard_bounce", True)
    assert listed("alice@example.com", reason="complaint") == 0
    assert listed("alice@example.com", expires_at=now + timedelta(days=9)) == 0
    assert found() == ("hard_bounce", True)


def test_a_row_of_an_older_release_stays_and_is_shown_as_manual(db: None) -> None:
    Suppression.objects.create(address_hash="a" * 64, reason="asked by phone")
    assert Suppression.objects.get().public_reason == "manual"


def test_a_channel_can_be_turned_off_and_on(alice: User) -> None:
    def allowed() -> list[bool]:
        contact = contacts.load_contacts([alice.pk])[alice.pk]
        return [
            contact.allows(channel, category)
            for channel in ("email", "push")
            for category in ("", "news")
        ]

    assert allowed() == [True, True, True, True]
    contacts.set_channel(user_id=alice.pk, channel="email", category="news", enabled=False)
    assert allowed() == [True, False, True, True]
    contacts.set_channel(user_id=alice.pk, channel="push", category=None, enabled=False)
    assert allowed() == [True, False, False, False]
    contacts.set_channel(user_id=alice.pk, channel="email", category="news", enabled=True)
    assert allowed() == [True, True, False, False]
    contacts.set_channel(user_id=new_id(), channel="email", category=None, enabled=False)
    with pytest.raises(ValueError, match="sms"):
        contacts.set_channel(user_id=alice.pk, channel="sms", category=None, enabled=False)


def test_a_locale_is_cached_for_a_short_time(
    alice: User, bob: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert contacts.known_locales([alice.pk, bob.pk]) == {alice.pk: "en", bob.pk: "en"}
    with django_assert_num_queries(0):
        assert contacts.known_locale(alice.pk) == "en"
        assert contacts.known_locales([alice.pk, bob.pk]) == {alice.pk: "en", bob.pk: "en"}


def test_locales_that_soon_expire_are_refreshed_with_the_same_query(
    alice: User,
    bob: User,
    charlie: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    now = 0.0
    recent = TtlCache[Any, str](seconds=5, size=10, clock=lambda: now)
    monkeypatch.setattr(locales, "_recent", recent)
    contacts.known_locales([alice.pk, bob.pk])
    contacts.known_locales([alice.pk, bob.pk])
    User.objects.filter(pk=alice.pk).update(locale="de")
    User.objects.filter(pk=bob.pk).update(erased_at=timezone.now())
    now = 4.9
    with django_assert_num_queries(1):
        assert contacts.known_locales([charlie.pk]) == {charlie.pk: "en"}
    now = 6.0
    with django_assert_num_queries(0):
        assert contacts.known_locale(alice.pk) == "de"
    assert contacts.known_locale(bob.pk) is None


def test_an_unknown_user_is_not_cached(db: None) -> None:
    user_id = new_id()
    assert contacts.known_locale(user_id) is None
    make("alice", id=user_id, locale="fr")
    assert contacts.known_locale(user_id) == "fr"


def test_a_new_locale_is_used_at_once_in_the_same_process(
    alice: User, shop: APIClient, django_capture_on_commit_callbacks: Any
) -> None:
    assert contacts.known_locale(alice.pk) == "en"
    with django_capture_on_commit_callbacks(execute=True):
        shop.patch(f"/api/v1/users/{alice.pk}", {"locale": "de"}, format="json")
    assert contacts.known_locale(alice.pk) == "de"


def test_erasing_a_user_leaves_an_empty_row(alice: User, shop: APIClient) -> None:
    caller = logged_in("alice@example.com")
    profile = f"/api/v1/users/{alice.pk}"
    shop.patch(profile, {"external_id": "7", "push_token": "one", "locale": "de"}, format="json")
    contacts.set_channel(user_id=alice.pk, channel="email", category="news", enabled=False)
    contacts.suppress(email="alice@example.com", reason="hard_bounce")

    with transaction.atomic():
        contacts.erase(alice.pk)
        contacts.erase(alice.pk)

    row = User.objects.values().get(pk=alice.pk)
    assert "alice" not in str(row).lower()
    assert row["email"] is None
    assert row["email_key"] is None
    assert row["locale"] == "en"
    assert row["erased_at"] is not None
    for model in (Device, CategoryPreference, ExternalId, OutstandingToken):
        assert model.objects.count() == 0
    suppression = Suppression.objects.get()
    assert (suppression.address, suppression.address_hash) == ("", address_hash(str(alice.email)))
    assert contacts.load_contacts([alice.pk]) == {}
    assert shop.get(profile).status_code == 404
    assert caller.get(profile).status_code == 401
    body = {"name": "Alice", "email": "alice@example.com"}
    assert shop.post("/api/v1/users/", body, format="json").status_code == 201


def test_an_erased_user_is_removed_from_the_cache_of_the_same_process(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    assert contacts.known_locale(alice.pk) == "en"
    with django_capture_on_commit_callbacks(execute=True):
        contacts.erase(alice.pk)
    assert contacts.known_locale(alice.pk) is None


@pytest.mark.django_db(transaction=True)
def test_erasing_outside_a_transaction_is_refused() -> None:
    user = make("alice")
    with pytest.raises(RuntimeError):
        contacts.erase(user.pk)
    user.refresh_from_db()
    assert user.email == "alice@example.com"
    locales.forget_locale(user.pk)
