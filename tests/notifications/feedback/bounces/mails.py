"""Mails that were sent, and what became of them after a report."""

from typing import Any

from rest_framework.test import APIClient

from apps.notifications.delivery.compose.email import message_id_for
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.models import Suppression, User
from tests.notifications.factories import row_with_status
from tests.notifications.feedback.bounces.messages import ALICE, Original
from tests.notifications.feedback.calls import ending, record_call


def post(caller: APIClient, raw: bytes) -> Any:
    given: Any = raw
    return caller.generic("POST", "/api/v1/receipts/dsn", given, content_type="message/rfc822")


def sent(user: User, address: str = ALICE, **columns: Any) -> Notification:
    row = row_with_status(user, Status.SENT, attempts=1, **columns)
    record_call(row, address, provider="smtp")
    return row


def original(row: Notification, **given: str) -> Original:
    fields = {"message_id": message_id_for(row), "correlation_id": row.correlation_id, **given}
    return Original(**fields)


def listed() -> list[tuple[str, str, str]]:
    return [(one.reason, one.source, one.address) for one in Suppression.objects.all()]


def assert_unmatched(answer: Any, row: Notification, event: str) -> None:
    assert answer.status_code == 202
    assert answer.json() == {"matched": False, "notification_id": None, "event": event}
    assert ending(row) == ("sent", "")
    assert listed() == []
