"""Reports that fit no notification yet: they wait for it, and are purged after 30 days.

An event may be faster than our own record, or name a notification that is stored a moment later.
What names none of ours never fits: operators see it on the desk.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from apps.common.ids import first_id_at
from apps.notifications.feedback.event_batches import SLICE_EVENTS, Named, take_all
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.models import Notification, Receipt

log = structlog.get_logger(__name__)

KEPT = timedelta(days=30)
# A report of the last hour is looked at every few seconds, an older one every hour.
RECENT = timedelta(hours=1)
RECENT_EVERY_SECONDS = 10.0
ALL_EVERY_SECONDS = 3600.0


class MatchWaiting:
    """A scheduler job: match waiting reports with their notifications.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_recent = 0.0
        self._next_all = 0.0
        self._after: UUID | None = None

    def __call__(self) -> bool:
        """Match some reports if that is due; return whether there are more of them."""
        now = self._clock()
        if now < self._next_recent:
            return False
        if self._after is None:
            whole = now >= self._next_all
            self._after = first_id_at(timezone.now() - (KEPT if whole else RECENT))
            if whole:
                self._next_all = now + ALL_EVERY_SECONDS
        self._after = match_some(after=self._after)
        if self._after is None:
            self._next_recent = now + RECENT_EVERY_SECONDS
        return self._after is not None


def waiting() -> QuerySet[Receipt]:
    """Return the reports that fit no notification. They are few, and an index has them."""
    return Receipt.objects.filter(notification=None)


def match_some(*, after: UUID) -> UUID | None:
    """Match up to 100 reports whose notification exists now.

    Args:
        after: The last report of the previous call.

    Returns:
        The last report of this call; None if there are no more.
    """
    there = Notification.objects.filter(pk=OuterRef("named_id"))
    found = waiting().filter(Exists(there), pk__gt=after, named_id__isnull=False)
    rows = list(found.order_by("pk")[:SLICE_EVENTS])
    if rows:
        taken = take_all([_named(row) for row in rows])
        if taken.matched:
            log.info("waiting reports matched", matched=taken.matched)
    return rows[-1].pk if len(rows) == SLICE_EVENTS else None


def _named(row: Receipt) -> Named:
    return Named(
        notification_id=row.named_id,
        stored_as=row.pk,
        event=ProviderEvent(
            provider=row.provider,
            event=_event(row.event),
            occurred_at=row.occurred_at,
            detail=row.detail,
            reason=row.reason,
            event_id=row.event_id,
            address_hash=row.address_hash,
        ),
    )


def _event(name: str) -> ReceiptEvent:
    try:
        return ReceiptEvent(name)
    except ValueError:  # A newer release has stored it.
        return ReceiptEvent.UNKNOWN
