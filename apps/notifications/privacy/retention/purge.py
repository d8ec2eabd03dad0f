"""Purge old notifications, starting with the oldest.

A step takes tens of milliseconds and locks only rows that have not changed for weeks. A pass
iterates over the primary key, which is ordered by time, so it reads every old row once.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from django.utils import timezone

from apps.common.failure_isolation import isolate_failures
from apps.common.ids import first_id_at
from apps.notifications.lifecycle.states import FINISHED
from apps.notifications.models import Notification
from apps.notifications.privacy.retention import counts, purge_others, rules
from apps.notifications.privacy.retention.counts import Group
from apps.notifications.privacy.retention.rules import Rules

log = structlog.get_logger(__name__)

STEP_ROWS = 500
# A scheduler does two steps per second, so it purges up to 1000 rows per second.
WALK_EVERY = timedelta(hours=1)
BEGINNING = UUID(int=0)


class Position:
    """A scheduler job: one step at a time, with a pass from the oldest row every hour.

    The position is kept in this process only. After a restart the pass begins at the oldest row.
    """

    def __init__(self) -> None:
        self._after = BEGINNING
        self._gone = 0
        self._next_walk = 0.0

    def __call__(self) -> bool:
        """Do one step if a pass is due. Returns False, so that it never skips the jobs' pause."""
        if time.monotonic() < self._next_walk:
            return False
        known = rules.load(timezone.now())
        last, gone = step(self._after, known)
        self._gone += gone
        if last is not None:
            self._after = last
            return False
        swept = purge_others.purge_all(known)
        if self._gone or swept:
            log.info("retention", notifications=self._gone, **swept)
        self._after, self._gone = BEGINNING, 0
        self._next_walk = time.monotonic() + WALK_EVERY.total_seconds()
        return False


def step(after: UUID, known: Rules, *, rows: int = STEP_ROWS) -> tuple[UUID | None, int]:
    """Read the next rows and purge the old ones.

    Args:
        after: The last id of the previous step.
        known: The retention rules.
        rows: The number of rows to read.

    Returns:
        The last id of this step, None at the end of the pass, and the number of purged rows.
    """
    ahead = Notification.objects.filter(pk__gt=after, pk__lt=first_id_at(known.newest))
    seen = list(ahead.order_by("pk").values_list("pk", "client", "updated_at", "status")[:rows])
    old = [
        pk
        for pk, client, updated_at, status in seen
        if status in FINISHED and updated_at < known.limit(client)
    ]
    gone = sum(isolate_failures(old, lambda some: _delete(some, known), failed=_keep))
    return (seen[-1][0] if len(seen) == rows else None), gone


def _keep(pk: UUID, error: Exception) -> int:
    """Log a row that cannot be purged. The next pass, in an hour, tries again."""
    log.error("an old notification could not be purged", notification_id=str(pk), exc_info=error)
    return 0


def _delete(ids: Sequence[UUID], known: Rules) -> int:
    """Count and delete rows with their dependent rows, in the transaction of the caller."""
    # Check again under the lock, because a late receipt may have updated a row.
    rows = Notification.objects.filter(pk__in=ids, status__in=FINISHED)
    held = [
        row
        for row in rows.order_by("pk")
        .select_for_update(skip_locked=True)
        .only(
            "client",
            "kind",
            "channel",
            "template_code",
            "status",
            "reason",
            "created_at",
            "updated_at",
        )
        if row.updated_at < known.limit(row.client)
    ]
    counts.add(
        Group(
            day=counts.day_of(row.created_at),
            client=row.client,
            kind=row.kind,
            channel=row.channel,
            template_code=row.template_code,
            status=row.status,
            reason=row.reason,
        )
        for row in held
    )
    Notification.objects.filter(pk__in=[row.pk for row in held]).delete()
    return len(held)
