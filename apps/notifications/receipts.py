"""What providers say later: find the notification, move it, append the receipt. Always in order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from django.db import transaction
from django.utils import timezone

from apps.notifications import dead_letters, outbox
from apps.notifications.models import Notification, Receipt
from apps.notifications.queues import Channel
from apps.notifications.states import Status
from apps.notifications.timeline import advance
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


@dataclass(frozen=True, kw_only=True)
class Told:
    """One event as a provider reports it.

    Attributes:
        occurred_at: The provider's time of the event, UTC.
        detail: The provider's words about a failure.
        event_id: The provider's id of the event, if it has one.
    """

    provider: str
    event: ReceiptEvent
    occurred_at: datetime
    detail: str = ""
    event_id: str | None = None


def take(notification: Notification, told: Told) -> bool:
    """Take a receipt for a notification.

    A weaker word never undoes a stronger one: the receipt is kept, the status stays.

    Returns:
        False for a receipt that came before; sometimes they come twice, and the second is ignored.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = Notification.objects.filter(pk=notification.pk)
        # Receipts of one notification queue up here, so that a twin is seen.
        before = Status(rows.select_for_update().get().status)
        known = notification.receipts.filter(provider=told.provider, event=told.event)
        if told.event_id is not None:
            known = known.filter(event_id=told.event_id)
        if known.exists():
            return False
        Receipt.objects.create(
            notification=notification,
            provider=told.provider,
            event=told.event,
            detail=told.detail[:500],
            event_id=told.event_id,
            occurred_at=told.occurred_at,
            received_at=now,
        )
        to, reason = MOVES.get(told.event, (None, ""))
        moved = to is not None and advance(rows, to=to, now=now, reason=reason)
        if to is Status.BOUNCED and notification.channel == Channel.EMAIL:
            _suppress(notification)
    if moved and to is Status.FAILED:
        outbox.publish_failed([notification.pk])
    elif moved and before is Status.FAILED:
        dead_letters.resolve([notification.pk], now=now, why=f"{told.provider}: {told.event}")
    log.info(
        "receipt taken",
        notification_id=str(notification.pk),
        correlation_id=notification.correlation_id,
        provider=told.provider,
        receipt=told.event,
        moved=bool(moved),
    )
    return True


def _suppress(notification: Notification) -> None:
    """Put the address that bounced on the suppression list, where the user still has one."""
    contact = contacts.load_contacts([notification.user_id]).get(notification.user_id)
    if contact is not None and contact.email is not None:
        contacts.suppress(email=contact.email, reason="hard_bounce")
