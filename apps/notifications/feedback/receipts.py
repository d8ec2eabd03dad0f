"""Process receipts of providers: lock the notification, store the receipt, update the status."""

from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.notifications.broker import publisher
from apps.notifications.dead_letters import store
from apps.notifications.feedback import consequences
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent, destination
from apps.notifications.lifecycle import announce
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import UNFINISHED, Status
from apps.notifications.lifecycle.transitions import advance
from apps.notifications.models import Attempt, Notification, Receipt
from apps.notifications.statistics import counters
from apps.notifications.statistics import record as statistics
from apps.users import contacts

log = structlog.get_logger(__name__)


# Outcomes after which a device is not called again.
SETTLED = (Outcome.ACCEPTED, Outcome.DEAD_ADDRESS, Outcome.REJECTED, Outcome.DEFECT)
# The outcome of a call according to its receipt.
OUTCOMES = {
    ReceiptEvent.DELIVERED: Outcome.ACCEPTED,
    ReceiptEvent.OPENED: Outcome.ACCEPTED,
    ReceiptEvent.FAILED: Outcome.REJECTED,
    ReceiptEvent.BOUNCED: Outcome.DEAD_ADDRESS,
}


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
    with transaction.atomic(), statistics.together():
        # Concurrent receipts of one notification wait for this lock, so duplicates are detected.
        row = Notification.objects.select_for_update().get(pk=notification.pk)
        before = Status(row.status)
        calls = consequences.calls_for([row.pk])
        if not consequences.was_called_for(row, calls):
            detail = f"No provider has been called for this notification: it is {row.status}."
            raise Problem(409, detail, code="never_sent")
        known = row.receipts.filter(provider=event.provider, event=event.event)
        if event.event_id is not None:
            known = known.filter(event_id=event.event_id)
        repeated = known.exists()
        reported = consequences.with_addresses([(row, event)], calls)
        if not repeated:
            Receipt.objects.create(
                notification=row,
                provider=event.provider,
                event=event.event,
                detail=event.detail[:500],
                event_id=event.event_id,
                address_hash=reported[0].address_hash,
                reason=event.reason[:40],
                occurred_at=event.occurred_at,
                received_at=now,
            )
            statistics.count([row], counters.RECEIPTS, event.provider, event.event, now=now)
        to = _move(row, event, now=now)
        if event.event is ReceiptEvent.OPENED and not repeated:
            status = to or before
            told = announce.opened(row, status=status, provider=event.provider, at=now)
            statistics.tell(told)
        if repeated and to is None:
            return False
        consequences.suppress(reported)
    consequences.suppress_after_soft_bounces(reported)
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


def _move(row: Notification, event: ProviderEvent, *, now: datetime) -> Status | None:
    """Update the status of a notification, and return the new status; None if unchanged.

    An unfinished notification is not sent again after this, because the receipt reports a call that
    is not recorded yet. For a push with several devices, only the receipt's device is settled.
    """
    before = Status(row.status)
    goal = destination(before, row.reason, event)
    is_push = row.channel == Channel.PUSH
    if before in UNFINISHED and is_push and not _was_the_last_device(row, event, now=now):
        return None
    if goal is None:
        return None
    to, reason = goal
    rows = Notification.objects.filter(pk=row.pk)
    moved = advance(rows, to=to, now=now, reason=reason, provider=event.provider)
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
