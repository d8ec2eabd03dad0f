"""From rows to messages: publish what was accepted, and sweep up what is due and was not finished.

A message only wakes a worker; losing, doubling or delaying one costs time, never a notification.
"""

import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from amqp.exceptions import AMQPError
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError

from apps.common.process_exit import at_end
from apps.notifications.broker import topology
from apps.notifications.broker.topology import DELIVER_TASKS, LANES, MESSAGE_SIZES
from apps.notifications.dead_letters import store
from apps.notifications.models import Notification

log = structlog.get_logger(__name__)

CONFIRM_TIMEOUT_SECONDS = 1.0
# While the broker is away the publisher tries again this often, and keeps this many wake-ups;
# beyond that it forgets the oldest, which the sweep finds by their rows.
RETRY_SECONDS = 1.0
BACKLOG_MAX = 100_000
# A process that ends waits for its messages as long as the broker takes them, and for this long
# while it takes none: a message that finds no answer fails after 2 s, is sent again at once, and
# once more after RETRY_SECONDS. In all it waits less than the 30 s after which it would be killed.
FLUSH_SECONDS = 8.0
FLUSH_MAX_SECONDS = 20.0
# Messages of one process are at least this far apart, unless there is something urgent or a whole
# chunk. The first after a pause goes at once; in a steady stream each carries what came meanwhile,
# because a worker spends as much on a message of one as on a message of ten.
APART_SECONDS = 0.03
PUBLISH_ERRORS = (OperationalError, AMQPError, OSError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wakeup:
    """One notification to be worked on.

    Attributes:
        attempt: Attempts spent so far; the message is void once this has changed.
        alone: Whether it has a message of its own. A worker of a release before ``recipient`` puts
            back the whole message that wakes a mail about an account.
    """

    notification_id: UUID
    lane: str
    attempt: int
    correlation_id: str
    alone: bool = False

    @classmethod
    def of(cls, notification: Notification) -> "Wakeup":
        """Make the wake-up of a row as it stands."""
        return cls(
            notification_id=notification.pk,
            lane=notification.lane,
            attempt=notification.attempts,
            correlation_id=notification.correlation_id,
            alone=notification.recipient is not None,
        )


def messages_of(wakeups: Iterable[Wakeup]) -> list[list[Wakeup]]:
    """Gather wake-ups of one lane and one attempt into messages.

    Those of a lane that does not exist are left out; the sweep puts their rows off.
    """
    groups: dict[tuple[str, int, UUID | None], list[Wakeup]] = defaultdict(list)
    for wakeup in _known(wakeups):
        apart = wakeup.notification_id if wakeup.alone else None
        groups[wakeup.lane, wakeup.attempt, apart].append(wakeup)
    made: list[list[Wakeup]] = []
    for (lane, _, _), group in groups.items():
        size = MESSAGE_SIZES[topology.channel_of(lane)]
        made += [group[start : start + size] for start in range(0, len(group), size)]
    return made


def _known(wakeups: Iterable[Wakeup]) -> list[Wakeup]:
    """Return the wake-ups of lanes that exist."""
    known = []
    for wakeup in wakeups:
        if wakeup.lane in LANES:
            known.append(wakeup)
        else:
            log.error(
                "there is no such lane",
                lane=wakeup.lane,
                notification_id=str(wakeup.notification_id),
            )
    return known


def publish(wakeups: Sequence[Wakeup], *, connection: Connection | None = None) -> None:
    """Publish one message and wait for the broker's confirm.

    Args:
        wakeups: Of one lane and one attempt, at most as many as ``MESSAGE_SIZES`` says.
        connection: The broker connection to use; by default one of Celery's pool.

    Raises:
        OperationalError: The broker did not take it, within a few seconds at most.
    """
    lane = wakeups[0].lane
    correlation_ids = list(dict.fromkeys(wakeup.correlation_id for wakeup in wakeups))
    current_app.send_task(
        DELIVER_TASKS[topology.channel_of(lane)],
        args=[[str(wakeup.notification_id) for wakeup in wakeups], wakeups[0].attempt],
        queue=LANES[lane],  # type: ignore[arg-type] # A Queue object is taken as well as a name.
        headers={"correlation_ids": correlation_ids},
        connection=connection,
        confirm_timeout=CONFIRM_TIMEOUT_SECONDS,
        ignore_result=True,
    )


def publish_apart(
    wakeups: Sequence[Wakeup], *, connection: Connection | None = None
) -> list[tuple[Wakeup, str]]:
    """Publish one message; where it cannot be written, two of half its size, down to single ones.

    Args:
        wakeups: As for ``publish``.
        connection: As for ``publish``.

    Returns:
        The wake-ups for which no message can be written, each with what happened.

    Raises:
        OperationalError: The broker did not take it, within a few seconds at most.
    """
    try:
        publish(wakeups, connection=connection)
    except PUBLISH_ERRORS:
        raise
    except Exception as error:
        if len(wakeups) == 1:
            log.exception(
                "message could not be published",
                notification_id=str(wakeups[0].notification_id),
            )
            return [(wakeups[0], type(error).__name__)]
        middle = len(wakeups) // 2
        halves = (wakeups[:middle], wakeups[middle:])
        return [one for half in halves for one in publish_apart(half, connection=connection)]
    return []


class Publisher:
    """Publishes from a thread of its own, so that no request ever waits for the broker.

    Whatever has gathered since the last message goes out together.
    """

    def __init__(self) -> None:
        self._waiting: deque[Wakeup] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0
        # Set while something waits, and while it should not wait for company. A thread that is
        # woken for each wake-up would take the interpreter from the requests each time.
        self._news = threading.Event()
        self._hurry = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        # Messages that are done with; tells a flush whether the broker takes any.
        self._taken = 0

    def hand_over(self, wakeups: Sequence[Wakeup]) -> None:
        """Take wake-ups and return at once."""
        wakeups = _known(wakeups)
        urgent = any(topology.is_urgent(wakeup.lane) for wakeup in wakeups)
        with self._lock:
            self._idle.clear()
            self._waiting.extend(wakeups)
            if urgent or len(self._waiting) >= topology.CHUNK_SIZE:
                self._hurry.set()
            if not self._news.is_set():
                self._news.set()
            # A forked process has the object but not its thread.
            if self._thread is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
                at_end(self.flush)

    def flush(self, *, timeout_seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until everything handed over is published, as at the end of a process.

        Args:
            timeout_seconds: How long to wait while the broker takes nothing. In all it is
                ``FLUSH_MAX_SECONDS`` at most.

        Returns:
            False where the broker did not take it in time; the sweep finds the rows.
        """
        ends = time.monotonic() + FLUSH_MAX_SECONDS
        while True:
            taken = self._taken
            if self._idle.wait(min(timeout_seconds, max(0.0, ends - time.monotonic()))):
                return True
            if self._taken == taken or time.monotonic() >= ends:
                return False

    def _run(self) -> None:
        published_at = 0.0
        while True:
            self._news.wait()
            self._hurry.wait(max(0.0, published_at + APART_SECONDS - time.monotonic()))
            published_at = time.monotonic()
            try:
                self._publish_all(self._gather())
            except Exception:
                # Nothing may end this thread: the sweep takes care of these rows.
                log.exception("messages could not be published")
            with self._lock:
                if not self._waiting:
                    self._idle.set()

    def _gather(self) -> list[Wakeup]:
        with self._lock:
            count = min(len(self._waiting), BACKLOG_MAX)
            gathered = [self._waiting.popleft() for _ in range(count)]
            if not self._waiting:
                self._news.clear()
                self._hurry.clear()
        return gathered

    def _publish_all(self, wakeups: list[Wakeup]) -> None:
        backlog = messages_of(wakeups)
        while backlog:
            try:
                publish_apart(backlog[0])
                backlog.pop(0)
                self._taken += 1
            except PUBLISH_ERRORS as error:
                log.warning(
                    "broker did not take a message; its rows are safe",
                    error=type(error).__name__,
                    waiting=sum(len(message) for message in backlog),
                )
                time.sleep(RETRY_SECONDS)
                fresh = self._gather()
                known = [wakeup for message in backlog for wakeup in message]
                backlog = messages_of([*known, *fresh][-BACKLOG_MAX:])


_publisher = Publisher()
_local_worker = threading.Event()

# The sweep looks for a row this long after its message was published, doubled each time.
FIRST_WAKE = timedelta(seconds=60)


def local_worker_started() -> None:
    """Note that this process consumes what it publishes to the embedded broker."""
    _local_worker.set()


def first_wake(now: datetime) -> datetime:
    """Say when the sweep should first look at a row that is stored now.

    Another process of the embedded mode, such as a command, cannot reach the in-memory broker
    of the one that works: it makes its rows due at once, for the sweep of that one.
    """
    if settings.EMBEDDED and not _local_worker.is_set():
        return now
    return now + FIRST_WAKE


def hand_over(notifications: Iterable[Notification]) -> None:
    """Have a worker woken for accepted rows, as soon as the transaction at hand commits."""
    wakeups = [Wakeup.of(notification) for notification in notifications]
    if not wakeups or (settings.EMBEDDED and not _local_worker.is_set()):
        return
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(lambda: _publisher.hand_over(wakeups))
    else:
        _publisher.hand_over(wakeups)


def publish_failed(ids: Collection[UUID]) -> None:
    """Send notifications that ended in ``failed`` through the dead-letter exchange.

    Where that cannot be done now the sweep does it later. In the embedded mode there is no
    exchange to go through, so the dead letter is recorded at once.
    """
    if not ids:
        return
    if settings.EMBEDDED:
        store.record_failed(ids)
        return
    try:
        with current_app.producer_or_acquire() as producer:
            for pk in ids:
                producer.publish(
                    {"notification_id": str(pk)},
                    exchange=topology.DEAD_LETTER_EXCHANGE,
                    routing_key=topology.FAILED.routing_key,
                    headers={"notification_id": str(pk)},
                    delivery_mode="persistent",
                    declare=[topology.FAILED],
                    retry=True,
                    retry_policy=current_app.conf.task_publish_retry_policy,
                    confirm_timeout=CONFIRM_TIMEOUT_SECONDS,
                )
    except PUBLISH_ERRORS as error:
        log.warning("dead letters wait for the sweep", error=type(error).__name__, count=len(ids))
