"""Cancel what a batch has made and what has not gone out, step by step, each row read once.

The rows are walked through by their ids. A row that is in a worker's hands at that moment is noted,
and looked at again until it has ended: its call may fail, and it would be tried once more.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from apps.notifications.lifecycle.states import UNFINISHED, Status
from apps.notifications.lifecycle.transitions import advance_telling
from apps.notifications.models import Batch, BatchSource, Notification

STEP_ROWS = 1000
# What is in a worker's hands is looked at this soon, and half as often each time.
FIRST_LOOK = timedelta(seconds=1)
LAST_LOOK = timedelta(minutes=1)


class Progress(msgspec.Struct, kw_only=True):
    """How far the cancelling of a batch has come.

    Attributes:
        after: Every row up to this id has been judged; None before the first.
        walked: Whether all rows have been judged.
        held: Rows that were in a worker's hands.
        looks: How often those were looked at since.
    """

    after: UUID | None = None
    walked: bool = False
    held: list[UUID] = msgspec.field(default_factory=list)
    looks: int = 0


def cancel_some(batch: Batch, *, now: datetime) -> None:
    """Cancel the next rows that have not gone out; nothing is due once there are none.

    Args:
        batch: A cancelled one, locked by this transaction, which saves the progress.
        now: The present, UTC.
    """
    progress = msgspec.convert(batch.cancelling or {}, Progress)
    if progress.walked:
        progress.held = _judge(progress.held, now=now)
        progress.looks += 1
    else:
        _walk_on(batch, progress, now=now)
    if not progress.walked:
        batch.next_at = now
    elif progress.held:
        doublings = min(progress.looks, 10)
        batch.next_at = now + min(FIRST_LOOK * (1 << doublings), LAST_LOOK)
    else:
        batch.next_at, batch.ended_at = None, now
    kept: Any = msgspec.to_builtins(progress)
    batch.cancelling = None if batch.next_at is None else kept
    batch.failures = 0
    batch.save(update_fields=["next_at", "ended_at", "cancelling", "failures"])


def _walk_on(batch: Batch, progress: Progress, *, now: datetime) -> None:
    """Judge the next rows of the walk."""
    ahead = Notification.objects.order_by("pk")
    if batch.source == BatchSource.BULK:
        # Few enough for one call, made beside others: all of them are found by the batch.
        mine = list(ahead.filter(batch_id=batch.pk).values_list("pk", flat=True))
        progress.walked = True
    else:
        mine, last = _next_made(batch, after=progress.after)
        progress.after, progress.walked = last, last is None
    progress.held += _judge(mine, now=now)


def _next_made(batch: Batch, *, after: UUID | None) -> tuple[list[UUID], UUID | None]:
    """Read the next rows that were made in slices, by their ids alone.

    Their ids have the batch's own time, so they lie side by side: the step reads them by the
    primary key, where the index of batches would have all of them sorted for each step.

    Returns:
        Those of the batch, and where the step ended; None at the end.
    """
    first, beyond = _bounds(batch)
    ids = Notification.objects.filter(pk__gte=first, pk__lt=beyond)
    if after is not None:
        ids = ids.filter(pk__gt=after)
    seen = list(ids.order_by("pk").values_list("pk", "batch_id")[:STEP_ROWS])
    last = seen[-1][0] if len(seen) == STEP_ROWS else None
    return [pk for pk, batch_id in seen if batch_id == batch.pk], last


def _bounds(batch: Batch) -> tuple[UUID, UUID]:
    """Return the first id that a row made in slices can have, and the first beyond them.

    As ``derived_id`` makes them: the milliseconds of the batch's id, then anything.
    """
    milliseconds = batch.pk.int >> 80
    return UUID(int=milliseconds << 80), UUID(int=(milliseconds + 1) << 80)


def _judge(ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Cancel those that have not gone out, and return those that are in a worker's hands."""
    held: list[UUID] = []
    for some in _cut(ids):
        advance_telling(
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
