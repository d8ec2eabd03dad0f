"""Replay all dead letters that match a filter, at a given rate, in any scheduler process.

The work is done in slices. A letter's state changes in the transaction that stores its replay and
the progress, so a process may die at any moment and nothing is replayed twice.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.common import due_rows
from apps.common.failure_isolation import (
    FAILURES_MAX,
    affects_all,
    isolate_failures,
    name_of,
    wait_after,
)
from apps.common.ids import new_id
from apps.common.middleware.correlation import correlated, current_id
from apps.common.rest.problems import Problem
from apps.notifications.dead_letters import replay_one, store
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.lifecycle.states import UNKNOWN_OUTCOME
from apps.notifications.models import (
    ActionName,
    DeadLetter,
    DeadLetterAction,
    DeadLetterReplay,
    LetterState,
    ReplayState,
)

log = structlog.get_logger(__name__)

RATE_DEFAULT_PER_SECOND = 50
RATE_MAX_PER_SECOND = 1000
# The letters of one transaction. It takes tens of milliseconds, so that on SQLite other processes
# can write in between.
SLICE_LETTERS = 100
# Unused capacity of the rate expires after this time, so that no burst follows a pause.
BURST = timedelta(seconds=1)
# The backoff of a failed step, doubled each time: ten minutes in total.
FIRST_WAIT = timedelta(seconds=5)


def count(asked: Filter, *, kind: str) -> int:
    """Count the open dead letters that match.

    Args:
        asked: The filter.
        kind: ``live`` or ``test``; empty for both.
    """
    return _open_letters(asked, kind=kind).count()


def start(
    asked: Filter,
    *,
    kind: str,
    by: str,
    rate_per_second: int = RATE_DEFAULT_PER_SECOND,
    note: str = "",
) -> DeadLetterReplay:
    """Start a replay of all open dead letters that match now, oldest first.

    Args:
        asked: The filter; an empty one means all.
        kind: ``live`` or ``test``; empty for both.
        by: The actor: a client, ``staff:<user id>`` or ``operator``.
        rate_per_second: Letters per second, 1 to ``RATE_MAX_PER_SECOND``.
        note: The actor's reason.
    """
    now = timezone.now()
    last = new_id()
    with transaction.atomic():
        matched = _open_letters(asked, kind=kind).filter(pk__lte=last).count()
        replay = DeadLetterReplay.objects.create(
            by=by,
            note=note,
            correlation_id=current_id(),
            kind=kind,
            criteria=asked.as_json(),
            rate_per_second=rate_per_second,
            state=ReplayState.RUNNING if matched else ReplayState.FINISHED,
            last_letter_id=last,
            matched=matched,
            next_at=now,
            created_at=now,
            ended_at=None if matched else now,
        )
        detail = {"filter": replay.criteria, "matched": matched, "rate_per_second": rate_per_second}
        _write_down(replay, ActionName.REPLAY_STARTED, by=by, note=note, detail=detail)
    return replay


def cancel(replay_id: UUID, *, by: str) -> DeadLetterReplay:
    """Stop a replay. Letters already replayed stay so. Cancelling it again changes nothing.

    Raises:
        Problem: 409 if it has finished.
    """
    with transaction.atomic():
        replay = DeadLetterReplay.objects.select_for_update().get(pk=replay_id)
        if replay.state == ReplayState.FINISHED:
            raise Problem(409, "This replay has finished.")
        if replay.state == ReplayState.RUNNING:
            replay.state, replay.ended_at = ReplayState.CANCELLED, timezone.now()
            replay.save(update_fields=["state", "ended_at"])
            detail = {"replayed": replay.replayed, "refused": replay.refused}
            _write_down(replay, ActionName.REPLAY_CANCELLED, by=by, detail=detail)
    return replay


def remaining(replay: DeadLetterReplay) -> int:
    """Count the letters that a replay has not processed and that are still open."""
    return 0 if replay.state == ReplayState.FINISHED else _ahead_of(replay).count()


def replay_slice() -> bool:
    """Replay as many letters as the rate of one running replay allows now.

    Safe in several processes: each takes a replay that no other process has locked.

    Returns:
        Whether a step was done. If so, there may be more to do immediately.
    """
    running = DeadLetterReplay.objects.filter(state=ReplayState.RUNNING)
    now = timezone.now()
    if not due_rows.any_due(running, now=now):
        return False
    replay = None
    try:
        with transaction.atomic():
            replay = due_rows.lock_first(running, now=now)
            if replay is None:
                return False
            with correlated(replay.correlation_id):
                _advance(replay, now=now, last_try=replay.failures >= FAILURES_MAX - 1)
    except Exception as error:
        if replay is None or affects_all(error):
            raise
        _postpone(replay.pk, error, now=now)
    return True


@transaction.atomic
def _postpone(replay_id: UUID, error: Exception, *, now: datetime) -> None:
    """Postpone a failed replay, longer each time, and cancel it after ``FAILURES_MAX`` failures."""
    replay = DeadLetterReplay.objects.select_for_update().get(pk=replay_id)
    failures = replay.failures + 1
    replay.failures, replay.last_error = failures, name_of(error)[:200]
    replay.next_at = now + wait_after(failures, first=FIRST_WAIT)
    log.error(
        "a step of a replay failed",
        replay_id=str(replay.pk),
        failures=failures,
        failures_max=FAILURES_MAX,
        exc_info=error,
    )
    if failures >= FAILURES_MAX:
        # Its letters cannot even be found, so no single letter can be isolated and refused.
        replay.state, replay.ended_at = ReplayState.CANCELLED, now
        note = f"given up after {failures} failures: {replay.last_error}"
        detail = {"replayed": replay.replayed, "refused": replay.refused}
        _write_down(replay, ActionName.REPLAY_CANCELLED, by=store.SYSTEM, note=note, detail=detail)
    replay.save(update_fields=["failures", "last_error", "next_at", "state", "ended_at"])


def _advance(replay: DeadLetterReplay, *, now: datetime, last_try: bool) -> None:
    """Replay one slice and store the progress.

    At the last try a letter that cannot be replayed is refused, so that the others continue.
    """
    step = timedelta(seconds=1) / replay.rate_per_second
    due_since = max(replay.next_at, now - BURST)
    allowed = min(1 + (now - due_since) // step, SLICE_LETTERS)
    letters = list(_ahead_of(replay).order_by("pk").select_for_update()[:allowed])

    def replay_them(some: Sequence[DeadLetter]) -> list[replay_one.ReplayResult]:
        return replay_one.replay_locked(
            some,
            by=replay.by,
            now=now,
            note=replay.note,
            replay=replay,
            # A filter for exactly this reason shows that the actor accepts duplicates.
            may_have_arrived=replay.criteria.get("reason") == UNKNOWN_OUTCOME,
        )

    answers = _replayed_individually(letters, replay_them) if last_try else replay_them(letters)
    replay.failures = 0
    refusals = {
        letter.pk: str(answer.detail)
        for letter, answer in zip(letters, answers, strict=True)
        if isinstance(answer, Problem)
    }
    store.record_actions(
        DeadLetterAction(
            action=ActionName.REFUSED,
            by=replay.by,
            at=now,
            note=why,
            letter_id=letter_id,
            replay=replay,
        )
        for letter_id, why in refusals.items()
    )
    replay.replayed += len(letters) - len(refusals)
    replay.refused += len(refusals)
    replay.refusals = dict(Counter(replay.refusals) + Counter(refusals.values()))
    replay.next_at = due_since + step * len(letters)
    if letters:
        replay.done_to_id = letters[-1].pk
    if len(letters) < allowed or not _ahead_of(replay).exists():
        replay.state, replay.ended_at = ReplayState.FINISHED, now
        log.info(
            "dead letters replayed",
            replay_id=str(replay.pk),
            matched=replay.matched,
            replayed=replay.replayed,
            refused=replay.refused,
        )
    replay.save()


def _replayed_individually(
    letters: Sequence[DeadLetter],
    replay_them: Callable[[Sequence[DeadLetter]], list[replay_one.ReplayResult]],
) -> list[replay_one.ReplayResult]:
    """Replay the letters that can be replayed, and refuse the others one by one."""

    def read_and_replay(some: Sequence[DeadLetter]) -> list[replay_one.ReplayResult]:
        # Read again: the database rolled back the changes that an earlier try made in memory.
        found = DeadLetter.objects.in_bulk([letter.pk for letter in some])
        return replay_them([found[letter.pk] for letter in some])

    def refuse(letter: DeadLetter, error: Exception) -> list[replay_one.ReplayResult]:
        log.error("a dead letter was refused", dead_letter_id=str(letter.pk), exc_info=error)
        detail = (
            f"This dead letter could not be replayed in {FAILURES_MAX} tries: {name_of(error)}."
        )
        return [Problem(500, detail)]

    parts = isolate_failures(letters, read_and_replay, failed=refuse)
    return [answer for part in parts for answer in part]


def _open_letters(asked: Filter, *, kind: str) -> QuerySet[DeadLetter]:
    """Return the matching open letters.

    Mails that may have arrived are included only if the filter names their reason.
    """
    letters = DeadLetter.objects.filter(state=LetterState.OPEN)
    if asked.reason is None:
        letters = letters.exclude(reason=UNKNOWN_OUTCOME)
    return asked.narrow(letters.filter(kind=kind) if kind else letters)


def _ahead_of(replay: DeadLetterReplay) -> QuerySet[DeadLetter]:
    letters = _open_letters(Filter.from_json(replay.criteria), kind=replay.kind)
    letters = letters.filter(pk__lte=replay.last_letter_id)
    return letters if replay.done_to_id is None else letters.filter(pk__gt=replay.done_to_id)


def _write_down(
    replay: DeadLetterReplay,
    action: ActionName,
    *,
    by: str,
    detail: dict[str, Any],
    note: str = "",
) -> None:
    line = DeadLetterAction(action=action, by=by, note=note, replay=replay, detail=detail)
    store.record_actions([line])
