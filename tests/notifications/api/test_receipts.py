"""Receipts: what providers report after a call, through the generic endpoints."""

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import LetterState, Notification, Receipt, SandboxMessage
from apps.users import contacts
from apps.users.addresses import address_hash
from apps.users.models import Device, Suppression, User
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.dead_letters.letters import audit_trail, dead_letter
from tests.notifications.delivering import deliver
from tests.notifications.factories import TEST_CALLER, accepted, client_with, row_with_status
from tests.notifications.problems import assert_problem


def post_receipt(caller: APIClient, row: Notification, status: str, **fields: Any) -> Any:
    body = {"notification_id": str(row.pk), "status": status, **fields}
    return caller.post("/api/v1/receipts/email", body, format="json")


def suppressed(user: User) -> bool:
    return contacts.load_contacts([user.pk])[user.pk].suppressed


def test_a_delivery_receipt_moves_sent_to_delivered(shop: APIClient, alice: User) -> None:
    row = row_with_status(alice, Status.SENT)

    answer = post_receipt(shop, row, "delivered", timestamp="2026-11-22T12:00:00Z")

    assert answer.status_code == 200
    assert answer.json() == {
        "notification_id": str(row.pk),
        "status": "delivered",
        "duplicate": False,
    }
    receipt = Receipt.objects.get(notification=row)
    assert (receipt.event, receipt.occurred_at.isoformat()) == (
        "delivered",
        "2026-11-22T12:00:00+00:00",
    )


def test_the_second_of_two_equal_receipts_is_ignored(shop: APIClient, alice: User) -> None:
    row = row_with_status(alice, Status.SENT)
    post_receipt(shop, row, "delivered")

    answer = post_receipt(shop, row, "delivered")

    assert answer.json()["duplicate"] is True
    assert Receipt.objects.count() == 1


def test_a_delivery_receipt_resolves_the_dead_letter(shop: APIClient, alice: User) -> None:
    letter = dead_letter(alice, reason="unknown_outcome")
    assert letter.notification is not None

    post_receipt(shop, letter.notification, "opened")
    letter.refresh_from_db()
    assert letter.state == LetterState.OPEN

    post_receipt(shop, letter.notification, "delivered")
    letter.refresh_from_db()
    assert letter.state == LetterState.RESOLVED
    assert [line[:2] for line in audit_trail(letter_id=letter.pk)] == [("resolved", "system")]


def test_a_bounce_suppresses_the_address(shop: APIClient, alice: User) -> None:
    row = row_with_status(alice, Status.SENT)

    answer = post_receipt(shop, row, "bounced", error="550 5.1.1")

    row.refresh_from_db()
    assert answer.json()["status"] == "bounced"
    assert row.reason == "hard_bounce"
    assert suppressed(alice)


def test_a_failure_receipt_moves_sent_to_failed(shop: APIClient, alice: User) -> None:
    row = row_with_status(alice, Status.SENT)

    post_receipt(shop, row, "failed")

    row.refresh_from_db()
    assert (row.status, row.reason) == ("failed", "rejected")


def test_an_opened_receipt_is_in_the_timeline_and_changes_no_status(
    shop: APIClient, alice: User
) -> None:
    row = row_with_status(alice, Status.DELIVERED)

    assert post_receipt(shop, row, "opened").json()["status"] == "delivered"
    timeline = shop.get(f"/api/v1/notifications/{row.pk}/status").json()["timeline"]
    assert timeline[-1]["status"] == "opened"


def test_a_failure_receipt_does_not_undo_a_delivery(shop: APIClient, alice: User) -> None:
    row = row_with_status(alice, Status.DELIVERED)

    answer = post_receipt(shop, row, "failed")

    assert answer.json()["status"] == "delivered"
    assert Receipt.objects.count() == 1


def test_a_receipt_that_arrives_before_the_attempt_is_recorded_counts(
    shop: APIClient, alice: User
) -> None:
    row = row_with_status(alice, Status.SENDING)

    assert post_receipt(shop, row, "delivered").json()["status"] == "delivered"


# --- receipts that contradict what is known


@pytest.mark.parametrize("event", ["delivered", "failed", "bounced", "opened"])
@pytest.mark.parametrize(
    "status",
    ["scheduled", "pending", "retrying", "cancelled", "skipped", "expired", "failed"],
)
def test_a_receipt_for_a_notification_that_was_never_sent_changes_nothing(
    shop: APIClient, alice: User, status: str, event: str
) -> None:
    row = row_with_status(alice, Status(status))

    assert assert_problem(post_receipt(shop, row, event), 409)["code"] == "never_sent"

    row.refresh_from_db()
    assert row.status == status
    assert Receipt.objects.count() == 0
    assert not suppressed(alice)


@pytest.mark.parametrize(
    ("event", "status", "reason"),
    [
        ("delivered", "delivered", ""),
        ("opened", "delivered", ""),
        ("bounced", "bounced", "hard_bounce"),
        ("failed", "failed", "rejected"),
    ],
)
@pytest.mark.parametrize("before", ["pending", "retrying", "scheduled"])
def test_a_receipt_for_a_call_whose_worker_died_ends_the_mail(
    shop: APIClient, alice: User, before: str, event: str, status: str, reason: str
) -> None:
    row = row_with_status(alice, Status(before), crashes=1)

    assert post_receipt(shop, row, event).json()["status"] == status

    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    row.refresh_from_db()
    assert (row.status, row.reason) == (status, reason)
    assert SandboxMessage.objects.count() == 0


def two_devices(user: User) -> tuple[Device, Device]:
    return Device.objects.get(user=user), Device.objects.create(user=user, token="second")


def test_a_receipt_for_a_push_settles_only_its_device(shop: APIClient, alice: User) -> None:
    first, second = two_devices(alice)
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    body = {"notification_id": str(row.pk), "status": "delivered", "device_id": str(first.pk)}

    answer = shop.post("/api/v1/receipts/push", body, format="json")
    assert answer.json()["status"] == "pending"

    deliver(channel=Channel.PUSH, ids=[row.pk], attempt=0)
    assert [message.recipient for message in SandboxMessage.objects.all()] == [second.token]
    row.refresh_from_db()
    # The receipt that was received earlier counts once nothing is left to send.
    assert row.status == "delivered"


def test_a_receipt_for_the_last_device_of_a_push_ends_it(shop: APIClient, alice: User) -> None:
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    body = {"notification_id": str(row.pk), "status": "delivered"}

    assert shop.post("/api/v1/receipts/push", body, format="json").json()["status"] == "delivered"


def test_a_receipt_without_a_device_settles_none_of_several_devices(
    shop: APIClient, alice: User
) -> None:
    two_devices(alice)
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    body = {"notification_id": str(row.pk), "status": "delivered"}

    assert shop.post("/api/v1/receipts/push", body, format="json").json()["status"] == "pending"
    assert row.attempt_rows.count() == 0


def test_a_receipt_without_effect_does_not_make_a_later_one_a_duplicate(
    shop: APIClient, alice: User
) -> None:
    row = row_with_status(alice, Status.CANCELLED, attempts=1)
    assert post_receipt(shop, row, "delivered").json()["status"] == "cancelled"
    Notification.objects.filter(pk=row.pk).update(status=Status.SENT)

    answer = post_receipt(shop, row, "delivered").json()
    assert (answer["status"], answer["duplicate"]) == ("delivered", False)
    assert post_receipt(shop, row, "delivered").json()["duplicate"] is True
    assert Receipt.objects.count() == 1


def test_a_bounce_suppresses_the_address_that_the_mail_was_sent_to(
    shop: APIClient, alice: User, smtp_server: SmtpServer, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    row = accepted(alice)
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    User.objects.filter(pk=alice.pk).update(email="new@example.com", email_key="new@example.com")

    assert post_receipt(shop, row, "bounced").json()["status"] == "bounced"

    assert not suppressed(alice)
    (entry,) = Suppression.objects.all()
    assert entry.address_hash == address_hash("alice@example.com")
    # The address may belong to another account by now, so it is kept as a hash only.
    assert entry.address == ""


def test_a_bounce_of_a_mail_of_an_older_release_suppresses_no_unknown_address(
    shop: APIClient, alice: User
) -> None:
    row = row_with_status(alice, Status.SENT, attempts=1)
    row.attempt_rows.create(
        number=1,
        provider="smtp",
        outcome="accepted",
        correlation_id="",
        started_at=timezone.now(),
        duration_ms=1,
    )
    assert post_receipt(shop, row, "bounced").json()["status"] == "bounced"
    assert Suppression.objects.count() == 0


def test_a_bounce_of_a_test_notification_suppresses_no_address(alice: User, welcome: None) -> None:
    testing_client = client_with(Scope.OPERATIONS, kind=Kind.TEST)
    row = row_with_status(alice, Status.SENT, caller=TEST_CALLER)

    assert post_receipt(testing_client, row, "bounced").json()["status"] == "bounced"
    assert not suppressed(alice)


def test_a_receipt_of_another_channel_is_a_422(shop: APIClient, alice: User) -> None:
    row = row_with_status(alice, Status.SENT)
    body = {"notification_id": str(row.pk), "status": "delivered"}

    answer = shop.post("/api/v1/receipts/push", body, format="json")

    assert_problem(answer, 422)
    row.refresh_from_db()
    assert (row.status, Receipt.objects.count()) == ("sent", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "exploded"},
        {"status": 1},
        {"timestamp": "yesterday"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"error": 5},
        {"nonsense": True},
        {"notification_id": "x"},
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    shop: APIClient, alice: User, change: dict[str, Any]
) -> None:
    row = row_with_status(alice, Status.SENT)
    body = {"notification_id": str(row.pk), "status": "delivered", **change}

    answer = shop.post("/api/v1/receipts/email", body, format="json")

    assert_problem(answer, 400)
    row.refresh_from_db()
    assert (row.status, Receipt.objects.count()) == ("sent", 0)


def test_a_receipt_needs_the_operations_scope_and_a_key_of_the_same_kind(alice: User) -> None:
    row = row_with_status(alice, Status.SENT)

    assert_problem(post_receipt(client_with(Scope.NOTIFICATIONS_SEND), row, "delivered"), 403)
    assert_problem(post_receipt(client_with(kind=Kind.TEST), row, "delivered"), 422)
    row.refresh_from_db()
    assert row.status == "sent"
