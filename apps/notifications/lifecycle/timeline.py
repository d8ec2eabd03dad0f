"""The timeline of a notification, built from its stored rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a timeline."""

    at: datetime
    status: str
    detail: str
    attempt: int | None = None
    provider: str | None = None


def read(notification: Notification) -> list[Entry]:
    """Build the timeline, ordered by time, from acceptance, attempts, receipts and events."""
    first = notification.first_status
    entries = [Entry(at=notification.created_at, status=first, detail="accepted")]
    accepted: dict[int, Entry] = {}
    for attempt in notification.attempt_rows.all():
        words = [attempt.code, attempt.outcome, f"{attempt.duration_ms} ms", attempt.detail]
        if attempt.device_id:
            words.append(f"device {attempt.device_id}")
        entries.append(
            Entry(
                at=attempt.started_at,
                status=Status.SENDING,
                detail=", ".join(word for word in words if word),
                attempt=attempt.number,
                provider=attempt.provider,
            )
        )
        if attempt.outcome == Outcome.ACCEPTED:
            accepted[attempt.number] = Entry(
                at=attempt.started_at + timedelta(milliseconds=attempt.duration_ms),
                status=Status.SENT,
                detail=attempt.provider_message_id,
                attempt=attempt.number,
                provider=attempt.provider,
            )
    entries += accepted.values()
    entries += [
        Entry(
            at=receipt.received_at,
            status=receipt.event,
            detail=receipt.detail,
            provider=receipt.provider,
        )
        for receipt in notification.receipts.all()
    ]
    entries += [
        Entry(at=event.at, status=event.status, detail=event.detail)
        for event in notification.events.all()
    ]
    return sorted(entries, key=lambda entry: entry.at)
