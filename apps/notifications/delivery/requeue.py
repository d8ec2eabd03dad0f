"""What goes to the broker after a chunk: what has to be tried again, and what has failed."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.notifications.broker import topology
from apps.notifications.models import Notification

# A row, the attempts that it has spent, and when it is due; None means at once.
Wait = tuple[Notification, int, datetime | None]


@dataclass(frozen=True, kw_only=True)
class Requeue:
    """Rows of one lane that wait on the same delay queue for the same attempt.

    Attributes:
        lane: Where they go when the wait is over; None means where their message came from, which
            their rows were not asked for.
        attempt: Attempts that they have spent by then.
        delay_seconds: The delay queue to wait on; None puts them at the end of the lane at once.
        ids: The notifications.
    """

    lane: str | None
    attempt: int
    delay_seconds: int | None
    ids: list[UUID]


@dataclass(kw_only=True)
class ToPublish:
    """What a delivery leaves for the broker; the task publishes it.

    Attributes:
        retries: The groups that are tried again.
        failed: The notifications that failed for good; each is a dead letter.
    """

    retries: list[Requeue] = field(default_factory=list)
    failed: list[UUID] = field(default_factory=list)

    def add(self, other: "ToPublish") -> None:
        """Add what another chunk leaves."""
        self.retries += other.retries
        self.failed += other.failed


def group(waits: Iterable[Wait], *, now: datetime) -> list[Requeue]:
    """Group rows into messages.

    Args:
        waits: The rows.
        now: The present, UTC.
    """
    groups: dict[tuple[str, int, int | None], list[UUID]] = defaultdict(list)
    for notification, attempt, due in waits:
        delay_queue = topology.delay_queue_for((due - now).total_seconds()) if due else None
        groups[notification.lane, attempt, delay_queue].append(notification.pk)
    return [
        Requeue(lane=lane, attempt=attempt, delay_seconds=delay_queue, ids=ids)
        for (lane, attempt, delay_queue), ids in groups.items()
    ]
