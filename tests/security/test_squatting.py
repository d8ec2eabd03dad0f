"""Registering with someone else's address gives no access and does not lock the owner out."""

from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users import confirmations, purge_expired, unconfirmed
from apps.users.models import CategoryPreference, Device, ExternalId, User
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, body, client_with, person
from tests.notifications.problems import assert_problem, pointers
from tests.security.squatter import (
    NEW_PASSWORD,
    NOTIFICATIONS,
    PHONE,
    USERS,
    VICTIM,
    Squatter,
    confirm,
    log_in,
    make_older,
    notification_ids,
    with_token,
)
from tests.users.conftest import PASSWORD
from tests.users.test_admin import USER_FORM

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_registration")]

# --- A client creates an account with the address ------------------------------------------------


@pytest.mark.parametrize("spelling", [VICTIM, "VICTIM@Example.com"])
@pytest.mark.parametrize("password", [None, NEW_PASSWORD])
def test_a_user_created_by_a_client_replaces_an_unconfirmed_account(
    shop: APIClient, squatter: Squatter, spelling: str, password: str | None
) -> None:
    accepted(squatter.user)
    new = {
        "name": "Victim",
        "email": spelling,
        "password": password,
        "push_token": "phone-of-the-victim",
        "external_id": "customer-1",
    }
    answer = shop.post(USERS, new, format="json")
    assert answer.status_code == 201
    made = answer.json()
    assert made["id"] != str(squatter.user.pk)
    assert (made["name"], made["email"], made["email_confirmed"]) == ("Victim", spelling, True)
    assert (made["locale"], made["external_id"]) == ("en", "customer-1")
    assert shop.get(squatter.path).status_code == 404
    assert [str(user.pk) for user in User.objects.all()] == [made["id"]]
    assert [str(device.user_id) for device in Device.objects.all()] == [made["id"]]
    assert squatter.is_locked_out()
    assert OutstandingToken.objects.count() == 0
    assert confirm(squatter.link_token()) == 400


def test_notifications_to_the_replaced_account_are_erased(
    shop: APIClient, squatter: Squatter, django_capture_on_commit_callbacks: Any
) -> None:
    waiting = accepted(squatter.user, metadata={"order": "42"})
    done = accepted(squatter.user)
    deliver(channel=Channel.EMAIL, ids=[done.pk], attempt=0)
    with django_capture_on_commit_callbacks(execute=True):
        answer = shop.post(USERS, {"name": "V", "email": VICTIM}, format="json")
    assert answer.status_code == 201
    for row in Notification.objects.all():
        assert (row.variables, row.metadata) == ({}, {})
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == (Status.SKIPPED, "user_erased")
    assert_problem(shop.post(NOTIFICATIONS, body(squatter.user), format="json"), 422)


def test_a_refused_creation_by_a_client_does_not_change_the_account(
    shop: APIClient, squatter: Squatter
) -> None:
    ExternalId.objects.create(client="shop", user=person("bob"), value="customer-1")
    row = accepted(squatter.user)
    for wrong, status in (({"external_id": "customer-1"}, 409), ({"password": "12345678"}, 400)):
        new = {"name": "Victim", "email": VICTIM, **wrong}
        assert_problem(shop.post(USERS, new, format="json"), status)
    assert squatter.caller.get(squatter.path).status_code == 200
    row.refresh_from_db()
    assert row.variables != {}


def test_a_confirmed_account_is_never_replaced(shop: APIClient, squatter: Squatter) -> None:
    assert confirm(squatter.link_token()) == 204
    for password in (None, NEW_PASSWORD):
        new = {"name": "Victim", "email": VICTIM, "password": password}
        assert_problem(shop.post(USERS, new, format="json"), 409)
    assert squatter.caller.get(squatter.path).status_code == 200


@pytest.mark.parametrize("rights", [{"is_staff": True}, {"is_superuser": True}])
def test_an_account_with_rights_is_never_replaced(
    shop: APIClient, squatter: Squatter, rights: dict[str, bool]
) -> None:
    User.objects.update(**rights)
    assert_problem(shop.post(USERS, {"name": "V", "email": VICTIM}, format="json"), 409)
    make_older(squatter.user, unconfirmed.LIFETIME * 2)
    purge_expired.purge_expired()
    assert User.objects.filter(pk=squatter.user.pk).exists()


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_an_unauthenticated_caller_cannot_replace_an_unconfirmed_account(
    squatter: Squatter, password: str | None
) -> None:
    new = {"name": "Another", "email": "Victim@example.com", "password": password}
    answer = APIClient().post(USERS, new, format="json")
    assert_problem(answer, 409)
    assert pointers(answer) == ["/email"]
    assert squatter.caller.get(squatter.path).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_clients_with_the_address_one_succeeds(squatter: Squatter) -> None:
    callers = [client_with(client=name) for name in ("shop", "bank")]
    statuses: list[int] = []

    def make(caller: APIClient) -> None:
        try:
            answer = caller.post(USERS, {"name": "Victim", "email": VICTIM}, format="json")
            statuses.append(answer.status_code)
        finally:
            connection.close()

    threads = [Thread(target=make, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409]
    assert User.objects.count() == 1


# --- A client sets the address of an existing account --------------------------------------------


def spoilt(squatter: Squatter) -> None:
    """Put everything on the account that an attacker can put there."""
    user = squatter.user
    Device.objects.create(user=user, token=PHONE)
    CategoryPreference.objects.create(user=user, category="news", email=False)
    ExternalId.objects.create(client="shop", user=user, value="customer-1")
    ExternalId.objects.create(client="bank", user=user, value="customer-2")
    preferences = {"email": False, "quiet_hours": {"start": "00:00", "end": "23:59"}}
    answer = squatter.caller.patch(f"{squatter.path}/preferences", preferences, format="json")
    assert answer.status_code == 200
    User.objects.filter(pk=user.pk).update(timezone="Africa/Lagos")


def assert_clean(user_id: UUID) -> None:
    """Assert that nothing of the attacker is left on an account."""
    user = User.objects.get(pk=user_id)
    assert (user.locale, user.timezone, user.pending_email) == ("en", "UTC", "")
    assert (user.email_enabled, user.push_enabled) == (True, True)
    assert (user.quiet_from, user.quiet_to, user.last_login) == (None, None, None)
    assert Device.objects.count() == CategoryPreference.objects.count() == 0
    assert OutstandingToken.objects.count() == 0


@pytest.mark.parametrize("email", [VICTIM, "VICTIM@example.com", "other@example.com"])
def test_a_client_that_confirms_an_account_removes_the_data_of_the_attacker(
    shop: APIClient, squatter: Squatter, email: str
) -> None:
    spoilt(squatter)
    row = accepted(squatter.user)
    answer = shop.patch(squatter.path, {"email": email}, format="json")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["id"], shown["email"]) == (str(squatter.user.pk), email)
    assert (shown["name"], shown["external_id"], shown["email_confirmed"]) == ("", None, True)
    assert_clean(squatter.user.pk)
    assert ExternalId.objects.count() == 0
    assert not User.objects.get().has_usable_password()
    assert squatter.is_locked_out()
    # It stays the same account for clients that have sent notifications to it.
    row.refresh_from_db()
    assert row.variables != {}


def test_values_that_the_client_sends_with_the_address_are_kept(
    shop: APIClient, squatter: Squatter
) -> None:
    spoilt(squatter)
    change = {
        "email": VICTIM,
        "name": "Victim",
        "password": NEW_PASSWORD,
        "external_id": "customer-3",
        "push_token": "phone-of-the-victim",
        "preferences": {"push": False},
    }
    shown = shop.patch(squatter.path, change, format="json").json()
    assert (shown["name"], shown["external_id"]) == ("Victim", "customer-3")
    assert shown["preferences"] == {"email": True, "push": False}
    assert [device.token for device in Device.objects.all()] == ["phone-of-the-victim"]
    assert squatter.is_locked_out()
    assert log_in(password=NEW_PASSWORD).status_code == 200


def test_a_put_of_the_profile_confirms_the_account_as_well(
    shop: APIClient, squatter: Squatter
) -> None:
    spoilt(squatter)
    answer = shop.put(squatter.path, {"name": "Victim", "email": VICTIM}, format="json")
    assert answer.json()["name"] == "Victim"
    assert_clean(squatter.user.pk)
    assert squatter.is_locked_out()


def test_a_change_without_the_address_neither_confirms_nor_removes_anything(
    shop: APIClient, squatter: Squatter
) -> None:
    answer = shop.patch(squatter.path, {"external_id": "customer-9"}, format="json")
    assert answer.json()["email_confirmed"] is False
    assert squatter.caller.get(squatter.path).json()["name"] == "Squatter"


def test_a_confirmed_account_keeps_everything_when_its_address_changes(
    shop: APIClient, squatter: Squatter
) -> None:
    assert confirm(squatter.link_token()) == 204
    spoilt(squatter)
    row = accepted(squatter.user)
    answer = shop.patch(squatter.path, {"email": "new@example.com"}, format="json")
    assert answer.json()["name"] == "Squatter"
    assert (Device.objects.count(), ExternalId.objects.count()) == (1, 2)
    assert notification_ids(squatter.caller) == [str(row.pk)]


def test_a_client_can_give_the_address_to_another_account(
    shop: APIClient, squatter: Squatter
) -> None:
    bob = person("bob")
    answer = shop.patch(f"{USERS}{bob.pk}", {"email": VICTIM}, format="json")
    assert (answer.status_code, answer.json()["email"]) == (200, VICTIM)
    assert [user.pk for user in User.objects.all()] == [bob.pk]
    assert squatter.is_locked_out()


def test_the_owner_of_the_mailbox_gets_the_address_by_its_link(squatter: Squatter) -> None:
    bob = person("bob", password=NEW_PASSWORD)
    caller = with_token(log_in("bob@example.com", NEW_PASSWORD).json()["access"])
    change = {"email": VICTIM, "current_password": NEW_PASSWORD}
    answer = caller.patch(f"{USERS}{bob.pk}", change, format="json")
    assert (answer.status_code, answer.json()["pending_email"]) == (200, VICTIM)
    assert squatter.caller.get(squatter.path).status_code == 200
    assert confirm(confirmations.make_token(user=bob, address=VICTIM)) == 204
    assert [(user.pk, user.email) for user in User.objects.all()] == [(bob.pk, VICTIM)]
    assert squatter.is_locked_out()


# --- Staff set the address -----------------------------------------------------------------------


@pytest.fixture
def admin(charlie: User) -> Client:
    browser = Client()
    browser.force_login(charlie)
    return browser


@pytest.mark.parametrize("spelling", [VICTIM, "Victim@example.com"])
def test_staff_can_create_an_account_with_the_address(
    admin: Client, squatter: Squatter, spelling: str
) -> None:
    form = {
        **{name: value for name, value in USER_FORM.items() if "FORMS" not in name},
        "email": spelling,
        "usable_password": "false",
    }
    answer = admin.post("/admin/users/user/add/", form)
    assert answer.status_code == 302, answer.content
    made = User.objects.get(email=spelling)
    assert made.pk != squatter.user.pk
    assert made.email_confirmed
    assert not User.objects.filter(pk=squatter.user.pk).exists()
    assert squatter.is_locked_out()


def test_an_invalid_form_of_staff_deletes_no_account(admin: Client, squatter: Squatter) -> None:
    form = {"name": "Victim", "email": VICTIM, "locale": "no such", "timezone": "UTC"}
    answer = admin.post("/admin/users/user/add/", {**form, "usable_password": "false"})
    assert answer.status_code == 200
    assert User.objects.filter(pk=squatter.user.pk).exists()


def test_staff_can_give_the_address_to_another_account(admin: Client, squatter: Squatter) -> None:
    bob = person("bob")
    form = {**USER_FORM, "email": VICTIM}
    assert admin.post(f"/admin/users/user/{bob.pk}/change/", form).status_code == 302
    assert User.objects.get(email=VICTIM).pk == bob.pk
    assert squatter.is_locked_out()


def test_staff_who_confirm_an_account_remove_the_data_of_the_attacker(
    admin: Client, squatter: Squatter
) -> None:
    spoilt(squatter)
    ExternalId.objects.all().delete()
    CategoryPreference.objects.all().delete()
    form = {
        **USER_FORM,
        "email": "Victim@example.com",
        "name": "Squatter",
        "locale": "fr",
        "timezone": "Africa/Lagos",
    }
    answer = admin.post(f"/admin/users/user/{squatter.user.pk}/change/", form)
    assert answer.status_code == 302, answer.content
    user = User.objects.get(pk=squatter.user.pk)
    assert user.email_confirmed
    # Staff chose the language; the name and the time zone were those of the attacker.
    assert (user.name, user.locale, user.timezone) == ("", "fr", "UTC")
    assert not user.has_usable_password()
    assert Device.objects.count() == 0
    assert squatter.is_locked_out()
