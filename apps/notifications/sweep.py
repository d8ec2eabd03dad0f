"""Find by their rows what is due and was not finished, whatever became of the messages.

Schedules, lost messages, dead workers and a dead broker are this one mechanism. Safe to run
in several processes: each takes rows that no other holds.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from celery import current_app
from django.db import DatabaseError, close_old_connections, transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from apps.notifications import outbox, queues
from apps.notifications.models import Notification
from apps.notifications.outbox import FIRST_WAKE, PUBLISH_ERRORS, Wakeup
from apps.notifications.states import FINISHED, UNFINISHED, Status
from apps.notifications.timeline import advance, advance_telling

log = structlog.get_logger(__name__)

BATCH = 1000
PAUSE_SECONDS = 0.5
# A lane with this many messages has work enough: waking its rows again would only add copies.
DEEP_LANE_MESSAGES = 200
DEEP_LANE_WAIT = timedelta(seconds=30)
LAST_WAKE = timedelta(hours=1)
WAKES_MAX = 6
# A row whose holder died this often is what kills it.
CRASHES_MAX = 5

# Does a piece of work and tells whether it has more to do at once.
Chore = Callable[[], bool]


@dataclass(kw_only=True)
class Found:
    """What one batch of the sweep came to."""

    taken: int = 0
    wakeups: list[Wakeup] = field(default_factory=list)
    # Rows whose holder died travel alone, so that they cost no neighbour an attempt.
    lone_wakeups: list[Wakeup] = field(default_factory=list)
    failed: list[Notification] = field(default_factory=list)


def sweep(*, limit: int = BATCH) -> int:
    """Take up to so many due rows, move them on and wake workers for them.

    Returns:
        How many rows were taken; as many as the limit means that more may be due.
    """
    try:
        with current_app.connection_for_write() as connection:
            # Without a broker nothing is taken, so that the rows are due when it is back.
            depths = queues.depths(connection)
            found = _take(timezone.now(), limit=limit, depths=depths)
            for message in outbox.messages_of(found.wakeups):
                outbox.publish(message, connection=connection)
            for wakeup in found.lone_wakeups:
                outbox.publish([wakeup], connection=connection)
    except PUBLISH_ERRORS as error:
        log.warning("sweep waits for the broker", error=type(error).__name__)
        return 0
    outbox.publish_failed([row.pk for row in found.failed])
    if found.taken:
        log.info(
            "sweep",
            taken=found.taken,
            woken=len(found.wakeups),
            crashed=len(found.lone_wakeups),
            failed=len(found.failed),
        )
    return found.taken


def sweep_until(stop: threading.Event, *, chores: Sequence[Chore] = ()) -> None:
    """Sweep twice a second until told to stop; an error costs one round, never the sweep.

    Args:
        stop: Ends it.
        chores: Further work of a scheduler, each done once a round.
    """
    declared = False
    while not stop.is_set():
        taken = 0
        try:
            close_old_connections()
            declared = declared or _declare()
            taken = sweep() if declared else 0
        except DatabaseError as error:
            log.warning("sweep waits for the database", error=type(error).__name__)
        except Exception:
            log.exception("sweep failed")
        busy = [_has_more(chore) for chore in chores]
        if taken < BATCH and not any(busy):
            stop.wait(PAUSE_SECONDS)


def _has_more(chore: Chore) -> bool:
    """Do a chore; an error costs it one round, and the sweep nothing."""
    try:
        return chore()
    except DatabaseError as error:
        log.warning("a chore waits for the database", error=type(error).__name__)
    except Exception:
        log.exception("a chore failed")
    return False


def _declare() -> bool:
    """Declare the queues once, so that their depths can be asked for."""
    try:
        with current_app.connection_for_write() as connection:
            queues.declare_all(connection)
    except PUBLISH_ERRORS as error:
        log.warning("sweep waits for the broker", error=type(error).__name__)
        return False
    return True


def release_earlier_boots() -> int:
    """Make everything unfinished due, for the embedded mode, where one process is everything.

    Whoever held a lease, and every message, died with the process before this one.

    Returns:
        How many rows were made due.
    """
    now = timezone.now()
    held = Notification.objects.filter(status=Status.SENDING)
    advance(held, to=Status.PENDING, now=now, claim_id=None, claimed_until=None, wake_at=now)
    pending = Notification.objects.filter(status=Status.PENDING).update(wake_at=now)
    # The message of a retry died with the broker; the row knows when it is due.
    retrying = Notification.objects.filter(status=Status.RETRYING)
    return pending + retrying.update(wake_at=F("next_attempt_at"))


def _take(now: datetime, *, limit: int, depths: Mapping[str, int]) -> Found:
    found = Found()
    with transaction.atomic():
        due = list(
            Notification.objects.filter(wake_at__lte=now)
            .order_by("wake_at")
            .select_for_update(skip_locked=True)[:limit]
        )
        found.taken = len(due)
        held_back = [row for row in due if depths[row.lane] > DEEP_LANE_MESSAGES]
        Notification.objects.filter(pk__in=[row.pk for row in held_back]).update(
            wake_at=now + DEEP_LANE_WAIT
        )
        ready = [row for row in due if depths[row.lane] <= DEEP_LANE_MESSAGES]
        expired = [row for row in ready if _is_over(row, now)]
        advance_telling(
            [row.pk for row in expired],
            to=Status.EXPIRED,
            now=now,
            reason="expired",
            detail="expires_at has passed",
        )
        ready = [row for row in ready if not _is_over(row, now)]
        crashed = [row for row in ready if row.status == Status.SENDING]
        found.lone_wakeups, found.failed = _after_crash(crashed, now)
        waiting = [row for row in ready if row.status in UNFINISHED - {Status.SENDING}]
        _wake(waiting, now)
        found.wakeups = [Wakeup.of(row) for row in waiting]
        unrecorded = [row for row in ready if row.status == Status.FAILED]
        _look_again_later(unrecorded, now)
        found.failed += unrecorded
        settled = [row.pk for row in ready if row.status in FINISHED - {Status.FAILED}]
        Notification.objects.filter(pk__in=settled).update(wake_at=None)
    return found


def _is_over(row: Notification, now: datetime) -> bool:
    unstarted = row.status in UNFINISHED - {Status.SENDING}
    return unstarted and row.expires_at is not None and row.expires_at <= now


def _wake(rows: Sequence[Notification], now: datetime) -> None:
    """Make schedules pending, and set the time of the next look at what is woken."""
    due = [row.pk for row in rows if row.status == Status.SCHEDULED]
    if due:
        advance_telling(
            due,
            to=Status.PENDING,
            now=now,
            detail="the scheduled time has come",
            next_attempt_at=None,
        )
    _look_again_later(rows, now)


def _look_again_later(rows: Sequence[Notification], now: datetime) -> None:
    if not rows:
        return
    spread = [
        When(wakes=wakes, then=Value(now + min(FIRST_WAKE * 2**wakes, LAST_WAKE)))
        for wakes in range(WAKES_MAX + 1)
    ]
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(
        wake_at=Case(*spread, default=Value(now + LAST_WAKE)), wakes=F("wakes") + 1
    )


def _after_crash(
    rows: Sequence[Notification], now: datetime
) -> tuple[list[Wakeup], list[Notification]]:
    """Give rows whose lease has ended another chance, or up."""
    hopeless = [row for row in rows if row.crashes + 1 >= CRASHES_MAX]
    advance_telling(
        [row.pk for row in hopeless],
        to=Status.FAILED,
        now=now,
        reason="crashed",
        detail=f"the process that held it died {CRASHES_MAX} times",
        crashes=F("crashes") + 1,
        claim_id=None,
    )
    others = [row for row in rows if row.crashes + 1 < CRASHES_MAX]
    advance_telling(
        [row.pk for row in others],
        to=Status.PENDING,
        now=now,
        detail="the process that held it died",
        crashes=F("crashes") + 1,
        claim_id=None,
        claimed_until=None,
        next_attempt_at=None,
        wake_at=now + FIRST_WAKE,
        wakes=0,
    )
    return [Wakeup.of(row) for row in others], hopeless
