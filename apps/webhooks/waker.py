"""Wake the workers of the webhooks after a commit.

A message names endpoints that have something due, and nothing else: a message that is lost or comes
twice costs time, because workers look for due rows every few seconds anyway.
"""

import os
import threading
from collections.abc import Collection
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

from apps.common.process_exit import at_end
from apps.webhooks.lane import DELIVER_TASK, LANE

log = structlog.get_logger(__name__)

# The first wake-up after a pause is published at once, those of this time after it together. With
# 30 ms, 80 events a second were 60 messages a second, which took a third of a core.
INTERVAL_SECONDS = 0.2
IDS_PER_MESSAGE = 500
CONFIRM_SECONDS = 1.0
FLUSH_SECONDS = 3.0


class Waker:
    """Publishes from a thread, so that neither requests nor deliveries wait for the broker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[UUID] = set()
        self._added = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._pid = 0

    def wake(self, endpoint_ids: Collection[UUID]) -> None:
        """Publish a message for endpoints soon, and return immediately."""
        with self._lock:
            self._waiting.update(endpoint_ids)
            self._idle.clear()
            # A thread does not survive a fork.
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._added = threading.Event()
                threading.Thread(target=self._run, name="webhook-waker", daemon=True).start()
                at_end(lambda: self._idle.wait(FLUSH_SECONDS))
        self._added.set()

    def _run(self) -> None:
        while True:
            self._added.wait()
            with self._lock:
                self._added.clear()
                ids = [str(each) for each in self._waiting]
                self._waiting.clear()
            for start in range(0, len(ids), IDS_PER_MESSAGE):
                _publish(ids[start : start + IDS_PER_MESSAGE])
            with self._lock:
                if not self._waiting:
                    self._idle.set()
            # The next message has all that comes meanwhile.
            threading.Event().wait(INTERVAL_SECONDS)


def _publish(ids: list[str]) -> None:
    try:
        current_app.send_task(
            DELIVER_TASK,
            args=[ids],
            queue=LANE,
            confirm_timeout=CONFIRM_SECONDS,
            ignore_result=True,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the workers find the rows.
        log.warning("webhooks wait for the next look", error=type(error).__name__)


_waker = Waker()
_local_worker = threading.Event()


def local_worker_started() -> None:
    """Register that this process consumes what it publishes to the embedded broker."""
    _local_worker.set()


def wake(endpoint_ids: Collection[UUID]) -> None:
    """Wake the workers when the current transaction commits."""
    if not endpoint_ids or (settings.EMBEDDED and not _local_worker.is_set()):
        return
    ids = frozenset(endpoint_ids)
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(lambda: _waker.wake(ids))
    else:
        _waker.wake(ids)
