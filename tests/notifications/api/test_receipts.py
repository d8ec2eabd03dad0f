"""What providers say later, over the generic endpoints."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.models import LetterState, Notification, Receipt
from apps.notifications.states import Status
from apps.users import contacts
from apps.users.models import User
from tests.notifications.cast import assert_problem, client_with, standing
from tests.notifications.dead_letters.letters import dead, trail


def told(caller: APIClient, row: Notification, status: str, **fields: Any) -> Any:
    body = {"notification_id": str(row.pk), "status": status, **fields}
    return caller.post("/api/v1/receipts/email", body, format="json")


def suppressed(user: User) -> bool:
    return contacts.load_contacts([user.pk])[user.pk].suppressed


def test_a_delivery_moves_sent_on(shop: APIClient, alice: User) -> None:
    row = standing(alice, Status.SENT)

    answer = told(shop, row, "delivered", timestamp="2026-11-22T12:00:00Z")

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
    row = standing(alice, Status.SENT)
    told(shop, row, "delivered")

    answer = told(shop, row, "delivered")

    assert answer.json()["duplicate"] is True
    assert Receipt.objects.count() == 1


def test_a_receipt_that_tells_better_resolves_the_dead_letter(shop: APIClient, alice: User) -> None:
    letter = dead(alice, reason="unknown_outcome")
    assert letter.notification is not None

    told(shop, letter.notification, "opened")
    letter.refresh_from_db()
    assert letter.state == LetterState.OPEN

    told(shop, letter.notification, "delivered")
    letter.refresh_from_db()
    assert letter.state == LetterState.RESOLVED
    assert [line[:2] for line in trail(letter_id=letter.pk)] == [("resolved", "system")]


def test_a_bounce_suppresses_the_address(shop: APIClient, alice: User) -> None:
    row = standing(alice, Status.SENT)

    answer = told(shop, row, "bounced", error="550 5.1.1")

    row.refresh_from_db()
    assert answer.json()["status"] == "bounced"
    assert row.reason == "hard_bounce"
    assert suppressed(alice)


def test_a_failure_makes_a_dead_letter_due(shop: APIClient, alice: User) -> None:
    row = standing(alice, Status.SENT)

    told(shop, row, "failed")

    row.refresh_from_db()
    assert (row.status, row.reason) == ("failed", "rejected")


def test_opening_is_told_and_moves_nothing(shop: APIClient, alice: User) -> None:
    row = standing(alice, Status.DELIVERED)

    assert told(shop, row, "opened").json()["status"] == "delivered"
    timeline = shop.get(f"/api/v1/notifications/{row.pk}/status").json()["timeline"]
    assert timeline[-1]["status"] == "opened"


def test_a_weaker_word_never_undoes_a_stronger_one(shop: APIClient, alice: User) -> None:
    row = standing(alice, Status.DELIVERED)

    answer = told(shop, row, "failed")

    assert answer.json()["status"] == "delivered"
    assert Receipt.objects.count() == 1


def test_a_receipt_that_overtakes_our_own_record_wins(shop: APIClient, alice: User) -> None:
    row = standing(alice, Status.SENDING)

    assert told(shop, row, "delivered").json()["status"] == "delivered"


def test_a_receipt_of_the_other_channel_finds_nothing(shop: APIClient, alice: User) -> None:
    row = standing(alice, Status.SENT)
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
    row = standing(alice, Status.SENT)
    body = {"notification_id": str(row.pk), "status": "delivered", **change}

    answer = shop.post("/api/v1/receipts/email", body, format="json")

    assert_problem(answer, 400)
    row.refresh_from_db()
    assert (row.status, Receipt.objects.count()) == ("sent", 0)


def test_it_takes_the_scope_of_operations_and_a_key_of_the_same_kind(alice: User) -> None:
    row = standing(alice, Status.SENT)

    assert_problem(told(client_with(Scope.NOTIFICATIONS_SEND), row, "delivered"), 403)
    assert_problem(told(client_with(kind=Kind.TEST), row, "delivered"), 422)
    row.refresh_from_db()
    assert row.status == "sent"
