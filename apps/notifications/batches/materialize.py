"""Create the notifications of batches slice by slice, in any scheduler process.

A slice's rows, their ids and the progress are written in one transaction, so a process may die
at any moment: a slice is created completely or not at all, and repeating it changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from apps.common import due_rows
from apps.common.callers import Caller, Kind
from apps.common.failure_isolation import (
    FAILURES_MAX,
    affects_all,
    isolate_failures,
    name_of,
    wait_after,
)
from apps.common.ids import derived_id
from apps.common.middleware.correlation import correlated
from apps.common.rest.problems import Problem
from apps.notifications.batches import rejected_rows
from apps.notifications.batches.cancel import cancel_some
from apps.notifications.batches.counting import count_some
from apps.notifications.batches.pieces import (
    CREATION_FAILED,
    BatchRow,
    given_up,
    next_piece,
)
from apps.notifications.broker import kept_connection, topology
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.broker.publisher import PUBLISH_ERRORS
from apps.notifications.intake import accept
from apps.notifications.intake.accept import IntakeResult, Membership
from apps.notifications.intake.requests import SendRequest
from apps.notifications.lifecycle import announce
from apps.notifications.models import Batch, BatchState

log = structlog.get_logger(__name__)


# While at least this many messages (of 100 notifications each) wait in a lane of the batch, no more
# rows are created. The workers have enough work, and rows that do not exist yet can still be
# paused.
QUEUED_MESSAGES_MAX = 50
CHECK_INTERVAL = timedelta(seconds=0.5)

# The backoff of a failed step, doubled each time: ten minutes in total, because the rest of the
# batch waits for it.
FIRST_WAIT = timedelta(seconds=5)
FAILURES_COLUMN_MAX = 32_767


def make_slice(*, kept: KeptConnection | None = None) -> bool:
    """Do the next step of one batch: create its next slice, or cancel rows of a cancelled batch.

    Safe in several processes: each takes a batch that no other process has locked.

    Args:
        kept: The broker connection of this thread; by default a new one for this call.

    Returns:
        Whether a step was done. If so, there may be more to do immediately.
    """
    unfinished = Batch.objects.filter(state__in=(BatchState.RUNNING, BatchState.CANCELLED))
    if not due_rows.any_due(unfinished, now=timezone.now()):
        return False
    deep = _deep_lanes(kept)
    with transaction.atomic():
        now = timezone.now()
        batch = due_rows.lock_first(unfinished, now=now)
        if batch is None:
            return False
        with correlated(batch.correlation_id):
            return _go_on(batch, deep=deep, now=now)


def _go_on(batch: Batch, *, deep: frozenset[str], now: datetime) -> bool:
    """Do the next step of a batch. If it fails, only this batch is postponed."""
    failures = batch.failures
    try:
        with transaction.atomic():
            if batch.state == BatchState.CANCELLED:
                cancel_some(batch, now=now)
            elif deep.isdisjoint(batch.lanes):
                _make(batch, now=now)
            else:
                if batch.counting and not failures:
                    count_some(batch)
                batch.next_at = now + CHECK_INTERVAL
                batch.save(update_fields=["next_at", "total", "counting", "counted_to_user_id"])
                return False
    except Exception as error:
        if affects_all(error):
            raise
        _postpone(batch, error, failures=failures + 1, now=now)
    return True


def _postpone(batch: Batch, error: Exception, *, failures: int, now: datetime) -> None:
    """Postpone a batch whose step failed, longer each time."""
    batch.failures = min(failures, FAILURES_COLUMN_MAX)
    batch.last_error = name_of(error)[:200]
    batch.next_at = now + wait_after(batch.failures, first=FIRST_WAIT)
    batch.save(update_fields=["failures", "last_error", "next_at"])
    log.error(
        "a step of a batch failed",
        batch_id=str(batch.pk),
        failures=batch.failures,
        failures_max=FAILURES_MAX,
        next_try=batch.next_at.isoformat(),
        exc_info=error,
    )


def _deep_lanes(kept: KeptConnection | None) -> frozenset[str]:
    """Return the lanes that have enough messages; all lanes if the broker is unavailable."""
    try:
        with kept_connection.use(kept) as broker:
            depths = topology.depths(broker)
    except PUBLISH_ERRORS:
        return frozenset(topology.LANES)
    return frozenset(lane for lane in topology.LANES if depths[lane] >= QUEUED_MESSAGES_MAX)


def _make(batch: Batch, *, now: datetime) -> None:
    """Create one slice and store the progress.

    At the last try, rows that cannot be created are counted as rejected, so that the batch can
    continue. The failure counter then stays at the maximum, so that the next slice is processed as
    a last try too and further such rows do not need the same number of tries again.
    """
    # A step that is repeated only creates rows: they must not wait for a count that fails.
    counts_too = batch.counting and not batch.failures
    last_try = batch.failures >= FAILURES_MAX - 1
    piece, given_up = next_piece(batch, last_try=last_try)
    first_index = batch.done
    asked = [
        BatchRow(index=index, row_id=derived_id(batch.pk, name, place=index), request=row)
        for index, (name, row) in enumerate(zip(piece.names, piece.rows, strict=True), first_index)
        if isinstance(row, SendRequest)
    ]
    answers = _accepted_individually(batch, asked) if last_try else _accepted(batch, asked)
    refused = {
        index: row for index, row in enumerate(piece.rows, first_index) if isinstance(row, Problem)
    }
    lanes = set(batch.lanes)
    for one, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Problem):
            refused[one.index] = answer
        else:
            lanes.add(answer.notification.lane)
            batch.duplicates += answer.replayed
            batch.accepted += not answer.replayed
    rejected_rows.store(batch, piece, refused, first_index=first_index)
    batch.rejected += len(refused)
    batch.lanes = sorted(lanes)
    batch.next_at = now
    given_up |= any(problem.problem_code == CREATION_FAILED for problem in refused.values())
    batch.failures = FAILURES_MAX if given_up and not piece.last else 0
    if piece.last:
        # The total may be smaller now: users were erased or opted out since they were counted.
        batch.total = batch.done
        if batch.counting:
            batch.counting, batch.counted_to_user_id = False, batch.pk
        batch.state, batch.next_at, batch.ended_at = BatchState.FINISHED, None, now
        announce.batch_finished(batch, now=now)
        # The content of a broadcast may be personal data, and it is not needed any more.
        batch.terms = {}
        log.info(
            "batch materialized",
            batch_id=str(batch.pk),
            accepted=batch.accepted,
            duplicates=batch.duplicates,
            rejected=batch.rejected,
        )
    elif counts_too:
        count_some(batch)
    batch.save()


def _accepted(batch: Batch, asked: Sequence[BatchRow]) -> list[IntakeResult]:
    return accept.accept_all(
        [one.request for one in asked],
        caller=Caller(client=batch.client, kind=Kind(batch.kind)),
        member=Membership(
            batch_id=batch.pk,
            row_ids=[one.row_id for one in asked],
            asked_at=batch.created_at,
        ),
    )


def _accepted_individually(batch: Batch, asked: Sequence[BatchRow]) -> list[IntakeResult]:
    """Accept the rows that can be accepted, and reject the others one by one."""

    def reject(one: BatchRow, error: Exception) -> list[IntakeResult]:
        return [given_up(batch, one.index, error)]

    parts = isolate_failures(asked, lambda some: _accepted(batch, some), failed=reject)
    return [answer for part in parts for answer in part]
