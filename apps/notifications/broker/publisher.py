"""Publish messages for accepted rows, and for rows that the sweep finds due and unfinished.

A message only wakes a worker. A lost, duplicated or delayed message costs time, but no
notification is lost.
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
# While the broker is unavailable, the publisher retries at this interval and keeps this many
# wake-ups. It drops the oldest ones beyond that; the sweep finds their rows.
RETRY_SECONDS = 1.0
BACKLOG_MAX = 100_000
# At shutdown a process waits for its messages while the broker accepts them, and for
# FLUSH_SECONDS while it accepts none: a message without an answer fails after 2 s, is retried
# immediately, and once more after RETRY_SECONDS. The total stays below the 30 s after which the
# process would be killed.
FLUSH_SECONDS = 8.0
FLUSH_MAX_SECONDS = 20.0
# The minimum interval between messages of one process, unless there is an urgent wake-up or a full
# chunk. The first message after a pause is sent immediately. In a steady stream each message
# contains all wake-ups of the interval, because a message with one notification costs a worker as
# much as a message with ten.
PUBLISH_INTERVAL_SECONDS = 0.03
PUBLISH_ERRORS = (OperationalError, AMQPError, OSError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wakeup:
    """A request to wake a worker for one notification.

    Attributes:
        attempt: The number of attempts used so far. The message has no effect once it has changed.
        alone: Whether it needs a message of its own. A worker of a release before ``recipient``
            requeues the whole message if it contains an account mail.
    """

    notification_id: UUID
    lane: str
    attempt: int
    correlation_id: str
    alone: bool = False

    @classmethod
    def of(cls, notification: Notification) -> "Wakeup":
        """Create the wake-up for the current state of a row."""
        return cls(
            notification_id=notification.pk,
            lane=notification.lane,
            attempt=notification.attempts,
            correlation_id=notification.correlation_id,
            alone=notification.recipient is not None,
        )


def messages_of(wakeups: Iterable[Wakeup]) -> list[list[Wakeup]]:
    """Group wake-ups of the same lane and attempt into messages.

    Wake-ups with an unknown lane are left out; the sweep postpones their rows.
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
    """Return the wake-ups whose lane exists, and log the others."""
    known = []
    for wakeup in wakeups:
        if wakeup.lane in LANES:
            known.append(wakeup)
        else:
            log.error(
                "there is no such queue",
                lane=wakeup.lane,
                notification_id=str(wakeup.notification_id),
            )
    return known


def publish(wakeups: Sequence[Wakeup], *, connection: Connection | None = None) -> None:
    """Publish one message and wait for the broker's confirm.

    Args:
        wakeups: Wake-ups of one lane and one attempt, at most the number in ``MESSAGE_SIZES``.
        connection: The broker connection to use; by default one of Celery's pool.

    Raises:
        OperationalError: The broker did not accept it. Raised within a few seconds.
    """
    lane = wakeups[0].lane
    correlation_ids = list(dict.fromkeys(wakeup.correlation_id for wakeup in wakeups))
    current_app.send_task(
        DELIVER_TASKS[topology.channel_of(lane)],
        args=[[str(wakeup.notification_id) for wakeup in wakeups], wakeups[0].attempt],
        queue=LANES[lane],  # type: ignore[arg-type] # A Queue object is accepted as well as a name.
        headers={"correlation_ids": correlation_ids},
        connection=connection,
        confirm_timeout=CONFIRM_TIMEOUT_SECONDS,
        ignore_result=True,
    )


def publish_individually(
    wakeups: Sequence[Wakeup], *, connection: Connection | None = None
) -> list[tuple[Wakeup, str]]:
    """Publish one message. If it cannot be encoded, split it in halves, down to single wake-ups.

    Args:
        wakeups: As for ``publish``.
        connection: As for ``publish``.

    Returns:
        The wake-ups for which no message can be encoded, each with the name of the error.

    Raises:
        OperationalError: The broker did not accept it. Raised within a few seconds.
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
        return [one for half in halves for one in publish_individually(half, connection=connection)]
    return []


class Publisher:
    """Publishes from a separate thread, so that no request waits for the broker.

    Wake-ups that were added since the last message are sent together.
    """

    def __init__(self) -> None:
        self._waiting: deque[Wakeup] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0
        # ``_added`` is set while wake-ups wait, ``_urgent`` while they should not wait.
        # A thread switch for each wake-up would take the interpreter from the requests each time.
        self._added = threading.Event()
        self._urgent = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        # The number of published messages, so that ``flush`` sees whether the broker accepts any.
        self._taken = 0

    def hand_over(self, wakeups: Sequence[Wakeup]) -> None:
        """Queue wake-ups for publishing and return immediately."""
        wakeups = _known(wakeups)
        urgent = any(topology.is_urgent(wakeup.lane) for wakeup in wakeups)
        with self._lock:
            self._idle.clear()
            self._waiting.extend(wakeups)
            if urgent or len(self._waiting) >= topology.CHUNK_SIZE:
                self._urgent.set()
            if not self._added.is_set():
                self._added.set()
            # A forked process inherits the object but not its thread.
            if self._thread is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
                at_end(self.flush)

    def flush(self, *, timeout_seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all queued wake-ups are published, for example at process exit.

        Args:
            timeout_seconds: How long to wait while the broker accepts nothing. The total wait is
                limited to ``FLUSH_MAX_SECONDS``.

        Returns:
            False if the broker did not accept all of them in time; the sweep finds their rows.
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
            self._added.wait()
            self._urgent.wait(max(0.0, published_at + PUBLISH_INTERVAL_SECONDS - time.monotonic()))
            published_at = time.monotonic()
            try:
                self._publish_all(self._gather())
            except Exception:
                # No error may end this thread. The sweep finds these rows.
                log.exception("messages could not be published")
            with self._lock:
                if not self._waiting:
                    self._idle.set()

    def _gather(self) -> list[Wakeup]:
        with self._lock:
            count = min(len(self._waiting), BACKLOG_MAX)
            gathered = [self._waiting.popleft() for _ in range(count)]
            if not self._waiting:
                self._added.clear()
                self._urgent.clear()
        return gathered

    def _publish_all(self, wakeups: list[Wakeup]) -> None:
        backlog = messages_of(wakeups)
        while backlog:
            try:
                publish_individually(backlog[0])
                backlog.pop(0)
                self._taken += 1
            except PUBLISH_ERRORS as error:
                log.warning(
                    "broker did not accept a message; the sweep will send its rows",
                    error=type(error).__name__,
                    waiting=sum(len(message) for message in backlog),
                )
                time.sleep(RETRY_SECONDS)
                fresh = self._gather()
                known = [wakeup for message in backlog for wakeup in message]
                backlog = messages_of([*known, *fresh][-BACKLOG_MAX:])


_publisher = Publisher()
_local_worker = threading.Event()

# The sweep checks a row this long after its message was published, doubled each time.
FIRST_WAKE = timedelta(seconds=60)


def local_worker_started() -> None:
    """Register that this process consumes the messages it publishes to the embedded broker."""
    _local_worker.set()


def first_wake(now: datetime) -> datetime:
    """Return when the sweep should first check a row that is stored now.

    In the embedded mode, another process such as a command cannot reach the in-memory broker of the
    working process. It makes its rows due immediately, for the sweep of the working process.
    """
    if settings.EMBEDDED and not _local_worker.is_set():
        return now
    return now + FIRST_WAKE


def hand_over(notifications: Iterable[Notification]) -> None:
    """Queue wake-ups for accepted rows when the current transaction commits."""
    wakeups = [Wakeup.of(notification) for notification in notifications]
    if not wakeups or (settings.EMBEDDED and not _local_worker.is_set()):
        return
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(lambda: _publisher.hand_over(wakeups))
    else:
        _publisher.hand_over(wakeups)


def publish_failed(ids: Collection[UUID]) -> None:
    """Publish notifications with status ``failed`` to the dead-letter exchange.

    If the broker is unavailable, the sweep does it later. The embedded mode has no such exchange,
    so the dead letter is recorded immediately.
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
        log.warning(
            "dead letters are left to the sweep", error=type(error).__name__, count=len(ids)
        )
