"""The scheduler's job that looks at the conditions and raises and ends notices.

Several schedulers may look at the same time. A look changes something only while it holds a lock,
and compares again after it got the lock, so each notice is raised and ended once.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.notifications.models import Notice
from apps.notifications.notices import episodes, mails, sources, telling
from apps.notifications.notices.conditions import Condition, Key, Observation
from apps.notifications.notices.episodes import Opened, Seen

log = structlog.get_logger(__name__)

# Often enough for conditions that are told after minutes. A look costs four statements.
EVERY_SECONDS = 15.0
# After a start, and after this process was suspended, everything is overdue for a moment, because
# nobody has looked. The scheduler gets this time to catch up.
CATCH_UP_SECONDS = 30.0
# Rounds of the scheduler's jobs are half a second apart, and seconds where a job has much to do.
SUSPENDED_SECONDS = 30.0
# An arbitrary number that no other advisory lock uses.
LOCK = 7_205_113_940


class Watch:
    """The job.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._called_at = clock()
        self._next_at = self._called_at + CATCH_UP_SECONDS

    def __call__(self) -> bool:
        """Look, if that is due and anybody is told. Returns False: there is never more to do."""
        now = self._clock()
        if now - self._called_at > SUSPENDED_SECONDS:
            self._next_at = now + CATCH_UP_SECONDS
        self._called_at = now
        if now >= self._next_at:
            self._next_at = now + EVERY_SECONDS
            if telling.has_subscribers():
                look(now=timezone.now())
        return False


def look(*, now: datetime) -> None:
    """Read the conditions, and raise and end notices.

    Args:
        now: The current time, UTC.
    """
    seen = sources.observed(now=now)
    known = _known()
    if not episodes.step(_opened(known), seen, now=now) and not _untold(known):
        return
    with transaction.atomic():
        if not _is_alone():
            return
        known = _known()
        _change(known, seen, now=now)


def _known() -> dict[Key, Notice]:
    """Return the open notices. Those of conditions of a newer release are left to its scheduler."""
    opened = Notice.objects.filter(over_at=None, condition__in=list(Condition))
    return {notice.key: notice for notice in opened.order_by("pk")}


def _opened(known: dict[Key, Notice]) -> dict[Key, Opened]:
    return {
        key: Opened(calm=timedelta(seconds=notice.calm_seconds), clear_since=notice.clear_since)
        for key, notice in known.items()
    }


def _untold(known: dict[Key, Notice]) -> list[Notice]:
    """Return the notices of which an address was not told, because e-mail did not work."""
    waiting = [
        each for each in known.values() if each.clear_since is None and mails.untold_of(each)
    ]
    return waiting if waiting and mails.can_be_sent() else []


def _is_alone() -> bool:
    """Return whether no other scheduler changes notices; none does until the transaction ends."""
    if connection.vendor != "postgresql":
        return True  # A transaction of SQLite is the only one that writes.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        (alone,) = cursor.fetchone()
    return bool(alone)


def _change(known: dict[Key, Notice], seen: Seen, *, now: datetime) -> None:
    """Do what the look has found, each notice in a savepoint."""
    made = episodes.step(_opened(known), seen, now=now)
    for key in made.returned:
        known[key].clear_since = None
        known[key].save(update_fields=["clear_since"])
    for key in made.clearing:
        _unless_in_flight(_clear, known[key], now)
    for key in made.over:
        _unless_in_flight(_end, known[key], now)
    for each in made.raised:
        _raise(each, now)
    for notice in _untold(known):
        mails.tell(notice)


def _unless_in_flight(
    change: Callable[[Notice, datetime], None], notice: Notice, now: datetime
) -> None:
    """Change a notice; leave it to the next look if its mail is just being sent."""
    try:
        with transaction.atomic():
            change(notice, now)
    except mails.InFlightError:
        log.info("a notice waits for its mail", notice_id=str(notice.pk))
        notice.refresh_from_db()


def _clear(notice: Notice, now: datetime) -> None:
    mails.withdraw(notice)
    notice.clear_since = now
    notice.save(update_fields=["clear_since"])


def _end(notice: Notice, now: datetime) -> None:
    notice.over_at = now
    notice.save(update_fields=["over_at"])
    telling.told(notice)
    log.info("notice over", condition=notice.condition, subject=notice.subject)


def _raise(seen: Observation, now: datetime) -> None:
    previous = (
        Notice.objects.filter(condition=seen.condition, subject=seen.subject, over_at__isnull=False)
        .order_by("-over_at")
        .values_list("calm_seconds", "over_at")
        .first()
    )
    before = None
    if previous is not None and previous[1] is not None:
        before = timedelta(seconds=previous[0]), previous[1]
    notice = Notice(
        condition=seen.condition,
        subject=seen.subject,
        facts=dict(seen.facts),
        since=seen.since,
        raised_at=now,
        calm_seconds=int(episodes.calm_after(before, now=now).total_seconds()),
    )
    with transaction.atomic():
        notice.save(force_insert=True)
        telling.told(notice)
    log.warning("notice raised", condition=notice.condition, subject=notice.subject)
