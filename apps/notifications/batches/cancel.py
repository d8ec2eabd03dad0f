"""Cancel the unsent notifications of a batch in steps that read each row once.

The rows are iterated by id. A row that a worker has claimed at that moment is stored in the
progress and checked again until it has ended, because its call may fail and would be retried.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from apps.notifications.lifecycle.states import UNFINISHED, Status
from apps.notifications.lifecycle.transitions import advance_with_event
from apps.notifications.models import Batch, BatchSource, Notification

STEP_ROWS = 1000
# The first interval for checking claimed rows again, doubled each time.
FIRST_CHECK = timedelta(seconds=1)
CHECK_INTERVAL_MAX = timedelta(minutes=1)


class Progress(msgspec.Struct, kw_only=True):
    """The progress of cancelling a batch.

    Attributes:
        after: All rows up to this id have been processed; None before the first.
        walked: Whether all rows have been processed.
        held: Rows that a worker had claimed.
        looks: How often those rows have been checked since.
    """

    after: UUID | None = None
    walked: bool = False
    held: list[UUID] = msgspec.field(default_factory=list)
    looks: int = 0


def cancel_some(batch: Batch, *, now: datetime) -> None:
    """Cancel the next unsent rows of a batch. When there are none, the batch is not due any more.

    Args:
        batch: A cancelled batch, locked by the current transaction, which stores the progress.
        now: The current time, UTC.
    """
    progress = msgspec.convert(batch.cancelling or {}, Progress)
    if progress.walked:
        progress.held = _judge(progress.held, now=now)
        progress.looks += 1
    else:
        _cancel_step(batch, progress, now=now)
    if not progress.walked:
        batch.next_at = now
    elif progress.held:
        doublings = min(progress.looks, 10)
        batch.next_at = now + min(FIRST_CHECK * (1 << doublings), CHECK_INTERVAL_MAX)
    else:
        batch.next_at, batch.ended_at = None, now
    kept: Any = msgspec.to_builtins(progress)
    batch.cancelling = None if batch.next_at is None else kept
    batch.failures = 0
    batch.save(update_fields=["next_at", "ended_at", "cancelling", "failures"])


def _cancel_step(batch: Batch, progress: Progress, *, now: datetime) -> None:
    """Process the next rows of the iteration."""
    ahead = Notification.objects.order_by("pk")
    if batch.source == BatchSource.BULK:
        # A bulk call has few rows, and their ids do not derive from the batch id. Find all of them
        # by the batch id in one step.
        mine = list(ahead.filter(batch_id=batch.pk).values_list("pk", flat=True))
        progress.walked = True
    else:
        mine, last = _next_made(batch, after=progress.after)
        progress.after, progress.walked = last, last is None
    progress.held += _judge(mine, now=now)


def _next_made(batch: Batch, *, after: UUID | None) -> tuple[list[UUID], UUID | None]:
    """Read the next rows that were created in slices, by their ids only.

    Their ids contain the batch's own time, so they are adjacent in the primary key, which this step
    reads. The index on the batch id would need a sort of all its rows for each step.

    Returns:
        The ids of the batch's rows, and the last id of the step; None at the end.
    """
    first, beyond = _bounds(batch)
    ids = Notification.objects.filter(pk__gte=first, pk__lt=beyond)
    if after is not None:
        ids = ids.filter(pk__gt=after)
    seen = list(ids.order_by("pk").values_list("pk", "batch_id")[:STEP_ROWS])
    last = seen[-1][0] if len(seen) == STEP_ROWS else None
    return [pk for pk, batch_id in seen if batch_id == batch.pk], last


def _bounds(batch: Batch) -> tuple[UUID, UUID]:
    """Return the id range of the rows created in slices: the first id, and the first id beyond.

    ``derived_id`` builds ids from the milliseconds of the batch's id, followed by other bits.
    """
    milliseconds = batch.pk.int >> 80
    return UUID(int=milliseconds << 80), UUID(int=(milliseconds + 1) << 80)


def _judge(ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Cancel the rows that are not sent yet, and return those that a worker has claimed."""
    held: list[UUID] = []
    for some in _cut(ids):
        advance_with_event(
            some,
            to=Status.CANCELLED,
            now=now,
            detail="the batch was cancelled",
            reason="cancelled",
        )
        left = Notification.objects.filter(pk__in=some, status__in=UNFINISHED)
        held += left.order_by("pk").values_list("pk", flat=True)
    return held


def _cut(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), STEP_ROWS):
        yield ids[start : start + STEP_ROWS]
