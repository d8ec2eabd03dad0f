"""The messages to publish after a chunk: retries and failed notifications."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.notifications.broker import topology
from apps.notifications.models import Notification

# A row, the number of attempts it has used, and its due time; None means now.
Wait = tuple[Notification, int, datetime | None]


@dataclass(frozen=True, kw_only=True)
class Requeue:
    """Rows of one lane that wait on the same delay queue for the same attempt.

    Attributes:
        lane: The target lane after the delay. None means the lane that delivered their message,
            because the rows were not read.
        attempt: The number of attempts that the rows have used.
        delay_seconds: The delay queue to use; None requeues at the end of the lane without delay.
        ids: The notifications.
    """

    lane: str | None
    attempt: int
    delay_seconds: int | None
    ids: list[UUID]


@dataclass(kw_only=True)
class ToPublish:
    """The messages that result from a delivery. The task publishes them.

    Attributes:
        retries: The groups to retry.
        failed: The notifications that failed permanently. Each becomes a dead letter.
    """

    retries: list[Requeue] = field(default_factory=list)
    failed: list[UUID] = field(default_factory=list)

    def add(self, other: "ToPublish") -> None:
        """Add the messages of another chunk."""
        self.retries += other.retries
        self.failed += other.failed


def group(waits: Iterable[Wait], *, now: datetime) -> list[Requeue]:
    """Group rows into messages by lane, attempt and delay queue.

    Args:
        waits: The rows.
        now: The current time, UTC.
    """
    groups: dict[tuple[str, int, int | None], list[UUID]] = defaultdict(list)
    for notification, attempt, due in waits:
        delay_queue = topology.delay_queue_for((due - now).total_seconds()) if due else None
        groups[notification.lane, attempt, delay_queue].append(notification.pk)
    return [
        Requeue(lane=lane, attempt=attempt, delay_seconds=delay_queue, ids=ids)
        for (lane, attempt, delay_queue), ids in groups.items()
    ]
