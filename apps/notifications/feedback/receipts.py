"""What providers say later: find the notification, move it, append the receipt. Always in order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.rest.problems import Problem
from apps.notifications.broker import publisher
from apps.notifications.broker.topology import Channel
from apps.notifications.dead_letters import store
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import UNFINISHED, Status
from apps.notifications.lifecycle.transitions import advance
from apps.notifications.models import Attempt, Notification, Receipt
from apps.users import contacts

log = structlog.get_logger(__name__)


class ReceiptEvent(StrEnum):
    """What a receipt can tell."""

    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    OPENED = "opened"


# Opening is told in the timeline and moves nothing.
MOVES = {
    ReceiptEvent.DELIVERED: (Status.DELIVERED, ""),
    ReceiptEvent.FAILED: (Status.FAILED, "rejected"),
    ReceiptEvent.BOUNCED: (Status.BOUNCED, "hard_bounce"),
}


# Statuses that nothing reaches without a call to a provider.
AFTER_A_CALL = frozenset({Status.SENDING, Status.SENT, Status.DELIVERED, Status.BOUNCED})
# Outcomes after which a device is not called again.
SETTLED = (Outcome.ACCEPTED, Outcome.DEAD_ADDRESS, Outcome.REJECTED, Outcome.DEFECT)
# What a receipt says about the call that it is about.
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
        detail: The provider's words about a failure.
        event_id: The provider's id of the event, if it has one.
        device_id: The device that a push went to, where the provider says it.
    """

    provider: str
    event: ReceiptEvent
    occurred_at: datetime
    detail: str = ""
    event_id: str | None = None
    device_id: UUID | None = None


def take(notification: Notification, told: ProviderEvent) -> bool:
    """Take a receipt for a notification.

    A weaker word never undoes a stronger one: the receipt is kept, the status stays.

    Returns:
        False for a receipt that came before and moves nothing now; sometimes they come twice, and
        the second is ignored.

    Raises:
        Problem: 409 for a notification that no provider has been called for; nothing is kept.
    """
    now = timezone.now()
    with transaction.atomic():
        # Receipts of one notification queue up here, so that a twin is seen.
        row = Notification.objects.select_for_update().get(pk=notification.pk)
        before = Status(row.status)
        if not _was_called_for(row):
            detail = f"No provider has been called for this notification: it is {row.status}."
            raise Problem(409, detail, code="never_sent")
        known = row.receipts.filter(provider=told.provider, event=told.event)
        if told.event_id is not None:
            known = known.filter(event_id=told.event_id)
        repeated = known.exists()
        if not repeated:
            Receipt.objects.create(
                notification=row,
                provider=told.provider,
                event=told.event,
                detail=told.detail[:500],
                event_id=told.event_id,
                occurred_at=told.occurred_at,
                received_at=now,
            )
        to = _move(row, told, now=now)
        if repeated and to is None:
            return False
        if told.event is ReceiptEvent.BOUNCED and row.channel == Channel.EMAIL:
            _suppress(row)
    if to is Status.FAILED:
        publisher.publish_failed([row.pk])
    elif to is not None and before is Status.FAILED:
        store.resolve([row.pk], now=now, why=f"{told.provider}: {told.event}")
    log.info(
        "receipt taken",
        notification_id=str(row.pk),
        correlation_id=row.correlation_id,
        provider=told.provider,
        receipt=told.event,
        moved=to is not None,
    )
    return True


def _was_called_for(row: Notification) -> bool:
    """Tell whether a provider can know of a notification.

    A worker that died may have called without having recorded it, which counts as a crash.
    """
    return bool(
        row.attempts or row.crashes or row.status in AFTER_A_CALL or row.attempt_rows.exists()
    )


def _move(row: Notification, told: ProviderEvent, *, now: datetime) -> Status | None:
    """Move a notification on, and return where; None where it stays.

    One that has not ended is not sent again after this: the receipt knows of a call that our own
    record does not know of yet. Of a push with several devices it settles the one it is about.
    """
    to, reason = MOVES.get(told.event, (None, ""))
    if Status(row.status) in UNFINISHED:
        if told.event is ReceiptEvent.OPENED:
            to = Status.DELIVERED
        if row.channel == Channel.PUSH and not _was_the_last_device(row, told):
            return None
    rows = Notification.objects.filter(pk=row.pk)
    moved = to is not None and advance(rows, to=to, now=now, reason=reason)
    return to if moved else None


def _was_the_last_device(row: Notification, told: ProviderEvent) -> bool:
    """Settle the device of a receipt, and tell whether no other is left to send to.

    Where the receipt does not name it, it can be told only if there is but one.
    """
    contact = contacts.load_contacts([row.user_id], channel=row.channel).get(row.user_id)
    calls = row.attempt_rows.filter(device_id__isnull=False)
    settled = set(calls.filter(outcome__in=SETTLED).values_list("device_id", flat=True))
    active = {device.id for device in contact.devices} if contact is not None else set()
    waiting = active - settled
    device_id = told.device_id or (next(iter(waiting)) if len(waiting) == 1 else None)
    left = waiting - {device_id}
    if left and device_id is not None and device_id not in settled:
        Attempt.objects.create(
            notification=row,
            number=row.attempts + 1,
            provider=told.provider,
            device_id=device_id,
            outcome=OUTCOMES[told.event],
            detail="told by a receipt",
            correlation_id=row.correlation_id,
            started_at=told.occurred_at,
            duration_ms=0,
        )
    return not left


def _suppress(row: Notification) -> None:
    """Put the address that bounced on the suppression list: the one that the mail went to."""
    if row.kind == Kind.TEST:
        # It went to nobody, and the list is that of live addresses.
        return
    sent = row.attempt_rows.order_by("-pk").values_list("address_hash", flat=True)
    hashes = [hashed for hashed in sent if hashed is not None]
    if hashes:
        contacts.suppress_hash(hashes[0], user_id=row.user_id, reason="hard_bounce")
        return
    # Its worker died a moment ago, so this is where it went.
    address = row.recipient if row.recipient is not None else _address_of(row.user_id)
    if not sent and address:
        contacts.suppress(email=address, reason="hard_bounce")
    elif sent:
        log.warning("nobody knows which address bounced", notification_id=str(row.pk))


def _address_of(user_id: UUID) -> str | None:
    contact = contacts.load_contacts([user_id]).get(user_id)
    return contact.email if contact is not None else None
