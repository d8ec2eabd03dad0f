"""Mails that were sent, and what became of them after a report."""

from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from apps.notifications.delivery.compose.email import message_id_for
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification
from apps.users.addresses import address_hash
from apps.users.models import Suppression, User
from tests.notifications.factories import row_with_status
from tests.notifications.feedback.bounces.messages import ALICE, Original


def post(caller: APIClient, raw: bytes) -> Any:
    given: Any = raw
    return caller.generic("POST", "/api/v1/receipts/dsn", given, content_type="message/rfc822")


def sent(user: User, address: str = ALICE, **columns: Any) -> Notification:
    row = row_with_status(user, Status.SENT, attempts=1, **columns)
    Attempt.objects.create(
        notification=row,
        number=1,
        provider="smtp",
        address_hash=address_hash(address),
        outcome="accepted",
        correlation_id=row.correlation_id,
        started_at=timezone.now(),
        duration_ms=1,
    )
    return row


def original(row: Notification, **given: str) -> Original:
    fields = {"message_id": message_id_for(row), "correlation_id": row.correlation_id, **given}
    return Original(**fields)


def ending(row: Notification) -> tuple[str, str]:
    row.refresh_from_db()
    return row.status, row.reason


def listed() -> list[tuple[str, str, str]]:
    return [(one.reason, one.source, one.address) for one in Suppression.objects.all()]


def assert_unmatched(answer: Any, row: Notification, event: str) -> None:
    assert answer.status_code == 202
    assert answer.json() == {"matched": False, "notification_id": None, "event": event}
    assert ending(row) == ("sent", "")
    assert listed() == []
