"""An unconfirmed account is restricted, and expires together with its link."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification, SandboxMessage
from apps.notifications.scheduler.jobs import all_jobs
from apps.users import confirmations, purge_expired, unconfirmed
from apps.users.models import Device, User
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, person
from tests.notifications.problems import assert_problem
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
    register,
    with_token,
)
from tests.users.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_registration")]

# --- Restrictions of an unconfirmed account ------------------------------------------------------


def test_an_unconfirmed_account_cannot_register_a_device(
    shop: APIClient, squatter: Squatter
) -> None:
    alice = person("alice", tokens=(PHONE,))
    for caller in (squatter.caller, shop):
        for answer in (
            caller.post(f"{squatter.path}/devices/", {"push_token": PHONE}, format="json"),
            caller.patch(squatter.path, {"push_token": PHONE}, format="json"),
        ):
            assert_problem(answer, 409)
            assert answer.json()["code"] == "unconfirmed"
    assert [device.user_id for device in Device.objects.all()] == [alice.pk]
    assert confirm(squatter.link_token()) == 204
    answer = squatter.caller.post(f"{squatter.path}/devices/", {"push_token": "own"}, format="json")
    assert answer.status_code == 201


def test_an_earlier_device_gets_nothing_until_the_address_is_confirmed(
    squatter: Squatter,
) -> None:
    Device.objects.create(user=squatter.user, token=PHONE)
    early = accepted(squatter.user, notification_type="push")
    deliver(channel=Channel.PUSH, ids=[early.pk], attempt=0)
    early.refresh_from_db()
    assert (early.status, early.reason) == (Status.SKIPPED, "no_device")
    assert SandboxMessage.objects.count() == 0
    assert confirm(squatter.link_token()) == 204
    late = accepted(squatter.user, notification_type="push")
    deliver(channel=Channel.PUSH, ids=[late.pk], attempt=0)
    late.refresh_from_db()
    assert late.status == Status.DELIVERED


def test_notifications_sent_before_the_confirmation_cannot_be_read(squatter: Squatter) -> None:
    early = accepted(squatter.user)
    one = f"{NOTIFICATIONS}{early.pk}"

    def reads_early() -> bool:
        found = [squatter.caller.get(path).status_code for path in (one, f"{one}/status")]
        listed = str(early.pk) in notification_ids(squatter.caller)
        assert found == ([200, 200] if listed else [404, 404])
        return listed

    assert not reads_early()
    time.sleep(0.002)  # The ids are bounded by times in milliseconds.
    assert confirm(squatter.link_token()) == 204
    assert not reads_early()
    assert confirm(squatter.link_token()) == 204
    late = accepted(squatter.user)
    assert notification_ids(squatter.caller) == [str(late.pk)]
    assert squatter.caller.get(f"{NOTIFICATIONS}{late.pk}/status").status_code == 200
    assert notification_ids(squatter.caller, f"?user_id={squatter.user.pk}") == [str(late.pk)]
    assert not reads_early()


def test_a_user_confirmed_by_a_client_can_read_later_notifications(
    shop: APIClient, squatter: Squatter
) -> None:
    accepted(squatter.user)
    time.sleep(0.002)
    change = {"email": VICTIM, "password": NEW_PASSWORD}
    assert shop.patch(squatter.path, change, format="json").status_code == 200
    late = accepted(squatter.user)
    owner = with_token(log_in(password=NEW_PASSWORD).json()["access"])
    assert notification_ids(owner) == [str(late.pk)]
    # A client that sends the same address again changes nothing.
    time.sleep(0.002)
    profile = {"name": "Victim", "email": VICTIM}
    assert shop.put(squatter.path, profile, format="json").status_code == 200
    assert notification_ids(owner) == [str(late.pk)]


def test_a_user_created_by_a_client_can_read_all_their_notifications(shop: APIClient) -> None:
    new = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
    user = User.objects.get(pk=shop.post(USERS, new, format="json").json()["id"])
    row = accepted(user)
    # The clock of the machine that accepted the notification may be behind.
    ahead = timezone.now() + timedelta(seconds=1)
    User.objects.update(created_at=ahead, email_confirmed_at=ahead)
    assert notification_ids(with_token(log_in("ada@example.com").json()["access"])) == [str(row.pk)]


# --- An unconfirmed account expires together with its link ---------------------------------------

A_MINUTE = timedelta(minutes=1)


def test_an_unconfirmed_account_expires_with_its_link(squatter: Squatter) -> None:
    row = accepted(squatter.user)
    bob, link = person("bob"), squatter.link_token()
    for user in (squatter.user, bob):
        make_older(user, unconfirmed.LIFETIME - A_MINUTE)
    assert purge_expired.purge_expired() == 0
    assert squatter.caller.get(squatter.path).status_code == 200
    for user in (squatter.user, bob):
        make_older(user, unconfirmed.LIFETIME + A_MINUTE)
    assert purge_expired.purge_expired() == 1
    assert [user.pk for user in User.objects.all()] == [bob.pk]
    assert squatter.is_locked_out()
    assert confirm(link) == 400
    row.refresh_from_db()
    assert row.variables == {}


def test_the_scheduler_deletes_expired_accounts(squatter: Squatter) -> None:
    make_older(squatter.user, unconfirmed.LIFETIME + A_MINUTE)
    kept = KeptConnection()
    try:
        for job in all_jobs(kept):
            job()
    finally:
        kept.close()
    assert User.objects.count() == 0


def test_the_link_and_the_account_expire_at_the_same_time(squatter: Squatter) -> None:
    make_older(squatter.user, unconfirmed.LIFETIME + A_MINUTE)
    # A new link, as if it had been requested again.
    assert confirm(squatter.link_token()) == 400
    assert not User.objects.get().email_confirmed
    assert unconfirmed.LIFETIME.total_seconds() == confirmations.LINK_LIFETIME_SECONDS


def test_after_the_expiry_the_address_can_be_registered_again(squatter: Squatter) -> None:
    make_older(squatter.user, unconfirmed.LIFETIME + A_MINUTE)
    answer = register()
    assert answer.status_code == 201
    assert answer.json()["id"] != str(squatter.user.pk)
    assert User.objects.count() == 1
    # The tokens of the attacker belong to the deleted account.
    assert squatter.caller.get(squatter.path).status_code == 401


def test_the_mail_expires_with_the_account(
    squatter: Squatter, django_capture_on_commit_callbacks: Any
) -> None:
    made = timezone.now() - timedelta(days=2)
    User.objects.update(created_at=made)
    change = {"email": VICTIM, "current_password": PASSWORD}
    with django_capture_on_commit_callbacks(execute=True):
        assert squatter.caller.patch(squatter.path, change, format="json").status_code == 200
    row = Notification.objects.filter(template_code="system:confirm-email").latest("pk")
    assert row.expires_at == made + unconfirmed.LIFETIME


def test_an_account_that_was_just_confirmed_is_not_deleted(squatter: Squatter) -> None:
    row = accepted(squatter.user)
    assert confirm(squatter.link_token()) == 204
    assert unconfirmed.delete(squatter.user.pk) is False
    row.refresh_from_db()
    assert row.variables != {}
    assert squatter.caller.get(squatter.path).status_code == 200
