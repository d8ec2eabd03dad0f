"""Take hold of rows: one statement, no lock kept, a lease that ends by itself."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models import Notification
from apps.notifications.states import CLAIMABLE, Status
from apps.notifications.timeline import advance_returning

# A chunk ends within 20 s; a lease that has ended means that its holder died.
LEASE = timedelta(seconds=60)
# Clocks of two machines differ a little; a message that is this early is on time.
TOLERANCE = timedelta(milliseconds=50)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one message brought.

    Attributes:
        id: Marks the rows held.
        rows: The notifications to deliver now, in the order of their ids.
        early: Rows that this message is for but that are not yet due.
    """

    id: UUID
    rows: list[Notification]
    early: list[Notification]


def claim(ids: Collection[UUID], *, attempt: int) -> Claim:
    """Claim those of the notifications that wait for this very attempt.

    A message for an attempt that has passed finds nothing, so two chains of messages for one
    row collapse into one. Overlapping chunks on PostgreSQL skip each other's rows; a plain
    UPDATE deadlocked in four of a hundred.

    Args:
        ids: The notifications of one message.
        attempt: Attempts spent when the message was published.
    """
    now = timezone.now()
    claim_id = new_id()
    waiting = Notification.objects.filter(pk__in=ids, attempts=attempt, status__in=CLAIMABLE)
    due = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now + TOLERANCE)
    free = waiting.filter(due).order_by("pk").select_for_update(skip_locked=True).values("pk")
    claimed_until = now + LEASE
    with transaction.atomic():
        rows = advance_returning(
            Notification.objects.filter(pk__in=free),
            to=Status.SENDING,
            now=now,
            claim_id=claim_id,
            claimed_until=claimed_until,
            wake_at=claimed_until,
        )
    early = [] if len(rows) == len(ids) else _not_yet_due(waiting, after=now + TOLERANCE)
    return Claim(id=claim_id, rows=sorted(rows, key=lambda row: row.pk), early=early)


def _not_yet_due(waiting: QuerySet[Notification], *, after: datetime) -> list[Notification]:
    return list(waiting.filter(next_attempt_at__gt=after).order_by("pk"))
