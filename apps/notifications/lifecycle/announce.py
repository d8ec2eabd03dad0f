"""Tell the webhooks of client applications what happens to their notifications.

The rows made here are inserted in the transaction of what they tell, by a statement that it has
anyway. Where no endpoint is registered, this costs a look into a cache.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from apps.common.times import in_zulu
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, DeadLetter, Notification
from apps.webhooks import event_types, outbox, subscriptions
from apps.webhooks.models import Delivery
from apps.webhooks.outbox import Event


class Announced(Protocol):
    """The columns of a notification that its events have."""

    pk: UUID
    client: str
    kind: str
    channel: str
    user_id: UUID
    recipient: str | None
    template_code: str
    request_id: str | None
    correlation_id: str
    batch_id: UUID | None
    metadata: dict[str, Any]


# The columns of ``Announced``.
COLUMNS = (
    "client",
    "kind",
    "channel",
    "user_id",
    "recipient",
    "template_code",
    "request_id",
    "correlation_id",
    "batch_id",
    "metadata",
)
OPENED = "opened"
ACCEPTED = "accepted"


def columns() -> tuple[str, ...]:
    """Return the columns to read of notifications that are changed; none without endpoints."""
    return COLUMNS if subscriptions.any_for_notifications() else ()


def accepted(rows: Iterable[Notification]) -> list[Delivery]:
    """Return the deliveries that tell of new notifications, to be inserted with them."""
    if not subscriptions.any_for_notifications():
        return []
    return outbox.deliveries_of(
        _event(row, ACCEPTED, at=row.created_at, status=row.status) for row in rows if _is_told(row)
    )


def ended(
    rows: Iterable[Announced],
    *,
    to: Status,
    reason: str,
    now: datetime,
    provider: str | Mapping[UUID, str],
) -> list[Delivery]:
    """Return the deliveries that tell of notifications that end, or whose ending changes.

    Args:
        rows: The notifications, with ``columns()``.
        to: Their new status, a final one.
        reason: The public reason.
        now: When they end, UTC.
        provider: Who has taken or refused them, for all or by notification; empty if none has.
    """
    if not subscriptions.any_for_notifications():
        return []
    return outbox.deliveries_of(
        _event(
            row,
            to.value,
            at=now,
            status=to.value,
            reason=reason,
            provider=provider if isinstance(provider, str) else provider.get(row.pk, ""),
        )
        for row in rows
        if _is_told(row)
    )


def opened(row: Announced, *, status: str, provider: str, at: datetime) -> list[Delivery]:
    """Return the deliveries that tell that a notification was opened."""
    if not subscriptions.any_for_notifications() or not _is_told(row):
        return []
    return outbox.deliveries_of(
        [_event(row, OPENED, at=at, status=status, provider=provider)],
    )


def dead_letters(letters: Sequence[DeadLetter]) -> None:
    """Tell of new dead letters of notifications, in the caller's transaction."""
    if not subscriptions.any_for_notifications():
        return
    events = []
    for letter in letters:
        row = letter.notification
        if row is None or not _is_told(row):
            continue
        data = data_of(
            row,
            status=row.status,
            reason=letter.reason,
            provider=letter.provider,
            at=letter.recorded_at,
        )
        events.append(
            Event(
                client=row.client,
                kind=row.kind,
                type=event_types.DEAD_LETTER_CREATED,
                at=letter.recorded_at,
                data={"dead_letter_id": str(letter.pk), **data},
                user_id=row.user_id,
                notification_id=row.pk,
            )
        )
    outbox.store(events)


def batch_finished(batch: Batch, *, now: datetime) -> None:
    """Tell that all notifications of a batch have been made, in the caller's transaction."""
    if not subscriptions.any_for_notifications():
        return
    data = {
        "batch_id": str(batch.pk),
        "accepted": batch.accepted,
        "duplicates": batch.duplicates,
        "rejected": batch.rejected,
        "at": in_zulu(now),
    }
    event = Event(
        client=batch.client,
        kind=batch.kind,
        type=event_types.BATCH_FINISHED,
        at=now,
        data=data,
    )
    outbox.store([event])


def _is_told(row: Announced) -> bool:
    """Return whether clients may see a notification: not the mails about accounts."""
    return row.recipient is None


def _event(
    row: Announced, name: str, *, at: datetime, status: str, reason: str = "", provider: str = ""
) -> Event:
    return Event(
        client=row.client,
        kind=row.kind,
        type=f"{event_types.NOTIFICATION}{name}",
        at=at,
        data=data_of(row, status=status, reason=reason, provider=provider, at=at),
        user_id=row.user_id,
        notification_id=row.pk,
    )


def data_of(
    row: Announced, *, status: str, reason: str, provider: str, at: datetime
) -> dict[str, Any]:
    """Return the ``data`` of an event: ids and what happened, never content or an address."""
    return {
        "notification_id": str(row.pk),
        "request_id": row.request_id,
        "correlation_id": row.correlation_id,
        "batch_id": str(row.batch_id) if row.batch_id else None,
        "user_id": str(row.user_id),
        "external_id": None,
        "notification_type": row.channel,
        "template_code": row.template_code,
        "status": status,
        "reason": reason or None,
        "provider": provider or None,
        "at": in_zulu(at),
        "metadata": outbox.bounded_metadata(row.metadata),
    }
