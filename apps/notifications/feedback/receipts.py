"""Process receipts of providers: lock the notification, store the receipt, update the status."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.notifications.broker import publisher
from apps.notifications.dead_letters import store
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import UNFINISHED, Status
from apps.notifications.lifecycle.transitions import advance
from apps.notifications.models import Attempt, Notification, Receipt
from apps.notifications.statistics import record as statistics
from apps.users import contacts

log = structlog.get_logger(__name__)


class ReceiptEvent(StrEnum):
    """The events that a receipt can report."""

    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    OPENED = "opened"


# The status and reason after each event. ``OPENED`` appears only in the timeline.
MOVES = {
    ReceiptEvent.DELIVERED: (Status.DELIVERED, ""),
    ReceiptEvent.FAILED: (Status.FAILED, "rejected"),
    ReceiptEvent.BOUNCED: (Status.BOUNCED, "hard_bounce"),
}


# Statuses that are reached only by a provider call.
AFTER_A_CALL = frozenset({Status.SENDING, Status.SENT, Status.DELIVERED, Status.BOUNCED})
# Outcomes after which a device is not called again.
SETTLED = (Outcome.ACCEPTED, Outcome.DEAD_ADDRESS, Outcome.REJECTED, Outcome.DEFECT)
# The outcome of a call according to its receipt.
OUTCOMES = {
    ReceiptEvent.DELIVERED: Outcome.ACCEPTED,
    ReceiptEvent.OPENED: Outcome.ACCEPTED,
    ReceiptEvent.FAILED: Outcome.REJECTED,
    ReceiptEvent.BOUNCED: Outcome.DEAD_ADDRESS,
}


@dataclass(frozen=True, kw_only=True)
class ProviderEvent:
    """One event as a provider reports it.

    Attributes:
        occurred_at: The provider's time of the event, UTC.
        detail: The provider's text about a failure.
        event_id: The provider's id of the event, if it has one.
        device_id: The device that a push was sent to, if the provider reports it.
    """

    provider: str
    event: ReceiptEvent
    occurred_at: datetime
    detail: str = ""
    event_id: str | None = None
    device_id: UUID | None = None


def take(notification: Notification, event: ProviderEvent) -> bool:
    """Process a receipt for a notification.

    If its status transition is not allowed, the receipt is stored and the status is kept.

    Returns:
        False for a repeated receipt that changes nothing. Providers sometimes send receipts twice,
        and the second is ignored.

    Raises:
        Problem: 409 for a notification for which no provider was called; nothing is stored.
    """
    now = timezone.now()
    with transaction.atomic():
        # Concurrent receipts of one notification wait for this lock, so duplicates are detected.
        row = Notification.objects.select_for_update().get(pk=notification.pk)
        before = Status(row.status)
        if not _was_called_for(row):
            detail = f"No provider has been called for this notification: it is {row.status}."
            raise Problem(409, detail, code="never_sent")
        known = row.receipts.filter(provider=event.provider, event=event.event)
        if event.event_id is not None:
            known = known.filter(event_id=event.event_id)
        repeated = known.exists()
        if not repeated:
            Receipt.objects.create(
                notification=row,
                provider=event.provider,
                event=event.event,
                detail=event.detail[:500],
                event_id=event.event_id,
                occurred_at=event.occurred_at,
                received_at=now,
            )
        to = _move(row, event, now=now)
        if repeated and to is None:
            return False
        if event.event is ReceiptEvent.BOUNCED and row.channel == Channel.EMAIL:
            _suppress(row)
    if to is Status.FAILED:
        publisher.publish_failed([row.pk])
    elif to is not None and before is Status.FAILED:
        store.resolve([row.pk], now=now, why=f"{event.provider}: {event.event}")
    log.info(
        "receipt recorded",
        notification_id=str(row.pk),
        correlation_id=row.correlation_id,
        provider=event.provider,
        receipt=event.event,
        moved=to is not None,
    )
    return True


def _was_called_for(row: Notification) -> bool:
    """Return whether a provider may have been called for a notification.

    A worker that died may have made a call without recording it, which counts as a crash.
    """
    return bool(
        row.attempts or row.crashes or row.status in AFTER_A_CALL or row.attempt_rows.exists()
    )


def _move(row: Notification, event: ProviderEvent, *, now: datetime) -> Status | None:
    """Update the status of a notification, and return the new status; None if unchanged.

    An unfinished notification is not sent again after this, because the receipt reports a call that
    is not recorded yet. For a push with several devices, only the receipt's device is settled.
    """
    to, reason = MOVES.get(event.event, (None, ""))
    if Status(row.status) in UNFINISHED:
        if event.event is ReceiptEvent.OPENED:
            to = Status.DELIVERED
        if row.channel == Channel.PUSH and not _was_the_last_device(row, event, now=now):
            return None
    rows = Notification.objects.filter(pk=row.pk)
    moved = to is not None and advance(rows, to=to, now=now, reason=reason)
    return to if moved else None


def _was_the_last_device(row: Notification, event: ProviderEvent, *, now: datetime) -> bool:
    """Settle the device of a receipt, and return whether no other device is left to send to.

    If the receipt does not name the device, it is known only if exactly one is left.
    """
    contact = contacts.load_contacts([row.user_id], channel=row.channel).get(row.user_id)
    calls = row.attempt_rows.filter(device_id__isnull=False)
    settled = set(calls.filter(outcome__in=SETTLED).values_list("device_id", flat=True))
    active = {device.id for device in contact.devices} if contact is not None else set()
    waiting = active - settled
    device_id = event.device_id or (next(iter(waiting)) if len(waiting) == 1 else None)
    left = waiting - {device_id}
    if left and device_id is not None and device_id not in settled:
        attempt = Attempt.objects.create(
            notification=row,
            number=row.attempts + 1,
            provider=event.provider,
            device_id=device_id,
            outcome=OUTCOMES[event.event],
            detail="reported by a receipt",
            correlation_id=row.correlation_id,
            started_at=event.occurred_at,
            duration_ms=0,
        )
        statistics.count_attempts([attempt], now=now)
    return not left


def _suppress(row: Notification) -> None:
    """Add the bounced address, to which the mail was sent, to the suppression list."""
    if row.kind == Kind.TEST:
        # Nothing was sent, and the suppression list contains live addresses only.
        return
    sent = row.attempt_rows.order_by("-pk").values_list("address_hash", flat=True)
    hashes = [hashed for hashed in sent if hashed is not None]
    if hashes:
        entry = contacts.NewSuppression(address_hash=hashes[0], reason="hard_bounce")
        contacts.suppress_hashes({hashes[0]: entry}, users={hashes[0]: row.user_id})
        return
    # Without a recorded attempt, the worker died recently. The current address is then the one that
    # the mail was sent to.
    address = row.recipient if row.recipient is not None else _address_of(row.user_id)
    if not sent and address:
        contacts.suppress(email=address, reason="hard_bounce")
    elif sent:
        log.warning("the bounced address is unknown", notification_id=str(row.pk))


def _address_of(user_id: UUID) -> str | None:
    contact = contacts.load_contacts([user_id]).get(user_id)
    return contact.email if contact is not None else None
