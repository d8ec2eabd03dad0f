"""Find notifications in the database that are due and unfinished, independently of messages.

This one mechanism handles schedules, lost messages, dead workers and broker outages. It is safe to
run in several processes: each takes rows that no other process has locked.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from celery import current_app
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Least, Now
from django.utils import timezone

from apps.common.failure_isolation import affects_all, isolate_failures, name_of
from apps.common.masking import masked_first_line
from apps.notifications.broker import kept_connection, publisher, topology
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.broker.publisher import FIRST_WAKE, PUBLISH_ERRORS, Wakeup
from apps.notifications.lifecycle.states import FINISHED, UNFINISHED, Status
from apps.notifications.lifecycle.transitions import advance, advance_with_event
from apps.notifications.models import Notification
from apps.notifications.scheduler import polling
from apps.notifications.scheduler.put_off import publish_failed, put_off, put_off_all, time_of
from apps.notifications.scheduler.suspension import SuspensionDetector
from apps.notifications.statistics import counters
from apps.notifications.statistics import record as statistics

log = structlog.get_logger(__name__)

BATCH = 1000
PAUSE_SECONDS = 0.5
# A lane with more messages than this has enough work. Waking its rows again would only add
# duplicate messages.
DEEP_LANE_MESSAGES = 200
DEEP_LANE_WAIT = timedelta(seconds=30)
LAST_WAKE = timedelta(hours=1)
WAKES_MAX = 6
# The column is a smallint of PostgreSQL; one more would be refused.
WAKES_COLUMN_MAX = 32_767
# If workers died this often while holding a row, the row is taken to be the cause.
CRASHES_MAX = 5
# The only columns that the sweep reads, because the content of a row may be large.
COLUMNS = (
    "status",
    "channel",
    "priority",
    "attempts",
    "correlation_id",
    "recipient",
    "expires_at",
    "crashes",
    "client",
    "kind",
    "template_code",
)


@dataclass(kw_only=True)
class Found:
    """The result of one batch of the sweep."""

    taken: int = 0
    wakeups: list[Wakeup] = field(default_factory=list)
    # Rows whose worker died get a message of their own, so that another crash affects no other row.
    single_wakeups: list[Wakeup] = field(default_factory=list)
    failed: list[UUID] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Add the results of other rows of the batch."""
        self.wakeups += other.wakeups
        self.single_wakeups += other.single_wakeups
        self.failed += other.failed


def sweep(
    *,
    limit: int = BATCH,
    awake: SuspensionDetector | None = None,
    kept: KeptConnection | None = None,
) -> int:
    """Take due rows up to the limit, update them and publish messages for them.

    Args:
        limit: The maximum number of rows.
        awake: The suspension detector of this process. Without it, as for a single round, every
            expired lease is taken back.
        kept: The broker connection of this thread; by default a new one for this round.

    Returns:
        The number of rows taken. If it equals the limit, more rows may be due.
    """
    any_due, now = polling.notifications_due()
    if not any_due:
        _note_idle_round(awake, now)
        return 0
    try:
        with kept_connection.use(kept) as broker:
            # Without a broker no row is taken, so that the rows stay due until it is available.
            depths = topology.depths(broker)
            found = _take(limit=limit, depths=depths, awake=awake)
            refused = []
            for message in publisher.messages_of(found.wakeups):
                refused += publisher.publish_individually(message, connection=broker)
            for wakeup in found.single_wakeups:
                refused += publisher.publish_individually([wakeup], connection=broker)
    except PUBLISH_ERRORS as error:
        log.warning("sweep waits for the broker", error=type(error).__name__)
        return 0
    put_off_all(refused)
    publish_failed(found.failed)
    if found.taken:
        log.info(
            "sweep",
            taken=found.taken,
            woken=len(found.wakeups),
            crashed=len(found.single_wakeups),
            failed=len(found.failed),
        )
    return found.taken


def _note_idle_round(awake: SuspensionDetector | None, now: datetime) -> None:
    """Record a round in which nothing was due, so that the next one is not taken for a resume."""
    if awake is not None:
        awake.lenient_until(now)
        awake.round_succeeded(now)


def sweep_until(stop: threading.Event) -> None:
    """Sweep twice a second until the stop event is set. An error ends one round, not the loop.

    It uses the database connection of the calling thread, which has to close it.
    """
    declared = False
    awake, kept = SuspensionDetector(), KeptConnection()
    try:
        while not stop.is_set():
            taken = 0
            try:
                close_old_connections()
                declared = declared or _declare()
                taken = sweep(awake=awake, kept=kept) if declared else 0
            except DatabaseError as error:
                log.warning("sweep waits for the database", error=type(error).__name__)
            except Exception:
                log.exception("sweep failed")
            if taken < BATCH:
                kept.close_idle()
                stop.wait(PAUSE_SECONDS)
    finally:
        kept.close()


def _declare() -> bool:
    """Declare the queues once, so that their depths can be queried."""
    try:
        with current_app.connection_for_write() as broker:
            topology.declare_all(broker)
    except PUBLISH_ERRORS as error:
        log.warning("sweep waits for the broker", error=masked_first_line(error))
        return False
    return True


def release_earlier_boots() -> int:
    """Make all unfinished notifications due, for the embedded mode, which is a single process.

    All lease holders and all messages ended with the previous process.

    Returns:
        The number of rows made due.
    """
    now = timezone.now()
    held = Notification.objects.filter(status=Status.SENDING)
    advance(held, to=Status.PENDING, now=now, claim_id=None, claimed_until=None, wake_at=now)
    pending = Notification.objects.filter(status=Status.PENDING).update(wake_at=now)
    # The retry's message was lost with the in-memory broker; the row stores its due time.
    retrying = Notification.objects.filter(status=Status.RETRYING)
    return pending + retrying.update(wake_at=F("next_attempt_at"))


def _take(*, limit: int, depths: Mapping[str, int], awake: SuspensionDetector | None) -> Found:
    """Take a batch. If a row cannot be handled, take the batch again and isolate that row."""
    try:
        return _take_batch(limit=limit, depths=depths, awake=awake, apart=False)
    except Exception as error:
        if affects_all(error):
            raise
    return _take_batch(limit=limit, depths=depths, awake=awake, apart=True)


def _take_batch(
    *, limit: int, depths: Mapping[str, int], awake: SuspensionDetector | None, apart: bool
) -> Found:
    with transaction.atomic():
        due = _due(limit)
        now = time_of(due)
        lenient_until = awake.lenient_until(now) if awake is not None else None

        def handle(rows: Sequence[Notification]) -> Found:
            return _handle(rows, now=now, depths=depths, lenient_until=lenient_until)

        def give_up(row: Notification, error: Exception) -> Found:
            return Found(failed=put_off(row.pk, name_of(error), now=now))

        found = Found(taken=len(due))
        for part in isolate_failures(due, handle, failed=give_up) if apart else [handle(due)]:
            found.add(part)
    if awake is not None:
        awake.round_succeeded(now)
    return found


def _due(limit: int) -> list[Notification]:
    """Read and lock the rows that are due by the database's clock, with that time on each row.

    With its own clock, a scheduler that is an hour ahead would take back leases that just began.
    """
    rows = Notification.objects.order_by("wake_at").only(*COLUMNS)
    if connection.vendor == "sqlite":
        # SQLite uses this machine's clock but truncates to milliseconds, which would put timeline
        # entries out of order.
        due = rows.filter(wake_at__lte=timezone.now())
    else:
        due = rows.filter(wake_at__lte=Now()).annotate(read_at=Now())
    return list(due.select_for_update(skip_locked=True)[:limit])


def _handle(
    due: Sequence[Notification],
    *,
    now: datetime,
    depths: Mapping[str, int],
    lenient_until: datetime | None,
) -> Found:
    found = Found()
    standings = {row.pk: (Status(row.status), depths[row.lane]) for row in due}
    held_back = [row for row in due if standings[row.pk][1] > DEEP_LANE_MESSAGES]
    _look_at(held_back, now + DEEP_LANE_WAIT)
    ready = [row for row in due if standings[row.pk][1] <= DEEP_LANE_MESSAGES]
    expired = [row for row in ready if _is_over(row, now)]
    advance_with_event(
        [row.pk for row in expired],
        to=Status.EXPIRED,
        now=now,
        reason="expired",
        detail="expires_at has passed",
    )
    ready = [row for row in ready if not _is_over(row, now)]
    held = [row for row in ready if row.status == Status.SENDING]
    if lenient_until is not None:
        _look_at(held, lenient_until)
    crashed = held if lenient_until is None else []
    found.single_wakeups, found.failed = _after_crash(crashed, now)
    waiting = [row for row in ready if row.status in UNFINISHED - {Status.SENDING}]
    _wake(waiting, now)
    found.wakeups = [Wakeup.of(row) for row in waiting]
    unrecorded = [row for row in ready if row.status == Status.FAILED]
    _postpone(unrecorded, now)
    found.failed += [row.pk for row in unrecorded]
    _count([*waiting, *crashed, *unrecorded], now)
    _look_at([row for row in ready if row.status in FINISHED - {Status.FAILED}], None)
    return found


def _count(rows: Sequence[Notification], now: datetime) -> None:
    """Count what was found: ``pending`` for a lost message, ``sending`` for a worker that died."""
    with statistics.together():
        for row in rows:
            statistics.count([row], counters.SWEPT, row.status, now=now)


def _look_at(rows: Sequence[Notification], moment: datetime | None) -> None:
    """Set the time at which the sweep checks the rows next; None for never."""
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(wake_at=moment)


def _is_over(row: Notification, now: datetime) -> bool:
    unstarted = row.status in UNFINISHED - {Status.SENDING}
    return unstarted and row.expires_at is not None and row.expires_at <= now


def _wake(rows: Sequence[Notification], now: datetime) -> None:
    """Set due schedules to ``pending``, and set when the sweep checks the woken rows next."""
    due = [row.pk for row in rows if row.status == Status.SCHEDULED]
    if due:
        advance_with_event(
            due,
            to=Status.PENDING,
            now=now,
            detail="the scheduled time has come",
            next_attempt_at=None,
        )
    _postpone(rows, now)


def _postpone(rows: Sequence[Notification], now: datetime) -> None:
    if not rows:
        return
    spread = [
        When(wakes=wakes, then=Value(now + min(FIRST_WAKE * 2**wakes, LAST_WAKE)))
        for wakes in range(WAKES_MAX + 1)
    ]
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(
        wake_at=Case(*spread, default=Value(now + LAST_WAKE)),
        wakes=Least(F("wakes"), WAKES_COLUMN_MAX - 1) + 1,
    )


def _after_crash(rows: Sequence[Notification], now: datetime) -> tuple[list[Wakeup], list[UUID]]:
    """Reset rows whose lease has expired to ``pending``, or fail them after ``CRASHES_MAX``."""
    hopeless = [row for row in rows if row.crashes + 1 >= CRASHES_MAX]
    advance_with_event(
        [row.pk for row in hopeless],
        to=Status.FAILED,
        now=now,
        reason="crashed",
        detail=f"the worker that held it died {CRASHES_MAX} times",
        crashes=F("crashes") + 1,
        claim_id=None,
    )
    others = [row for row in rows if row.crashes + 1 < CRASHES_MAX]
    advance_with_event(
        [row.pk for row in others],
        to=Status.PENDING,
        now=now,
        detail="the worker that held it died",
        crashes=F("crashes") + 1,
        claim_id=None,
        claimed_until=None,
        next_attempt_at=None,
        wake_at=now + FIRST_WAKE,
        wakes=0,
    )
    return [Wakeup.of(row) for row in others], [row.pk for row in hopeless]
