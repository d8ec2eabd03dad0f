"""What a scheduler does besides sweeping; each job is a small step, done once a round."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from django.db import DatabaseError, close_old_connections, connection

from apps.notifications.batches.materialize import make_slice
from apps.notifications.batches.upload import drop_broken_off
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.dead_letters.replay_many import replay_slice
from apps.notifications.flow_control.early_release import release_early
from apps.notifications.privacy.retention.purge import Walk
from apps.notifications.privacy.retention.recipients import Recipients
from apps.users.purge_expired import PurgeExpired

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5
# A job that fails is left alone for this long, doubled each time up to a minute: what it would
# have done waits, and the log says once a minute that it does.
FIRST_WAIT_SECONDS = 0.5
LAST_WAIT_SECONDS = 60.0

# Does a piece of work and tells whether it has more to do at once.
Job = Callable[[], bool]


class Patient:
    """Does a job, and leaves it alone for longer each time that it fails in a row.

    Args:
        job: What to do.
        clock: Monotonic seconds.
    """

    def __init__(self, job: Job, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._chore = job
        self._clock = clock
        self._failures = 0
        self._next_try = 0.0

    def __call__(self) -> bool:
        """Do it if its time has come; an error costs the others nothing."""
        if self._failures and self._clock() < self._next_try:
            return False
        try:
            more = self._chore()
        except DatabaseError as error:
            # It meets everything alike, and is over at once when the database is back.
            log.warning("a job waits for the database", error=type(error).__name__)
            return False
        except Exception:
            self._failures += 1
            wait = min(FIRST_WAIT_SECONDS * 2 ** min(self._failures - 1, 10), LAST_WAIT_SECONDS)
            self._next_try = self._clock() + wait
            log.exception("a job failed", failures=self._failures, next_try_seconds=wait)
            return False
        self._failures = 0
        return more


def all_jobs(kept: KeptConnection) -> list[Job]:
    """Make the jobs of one process.

    Args:
        kept: The broker connection of the thread that does them.
    """
    return [
        partial(release_early, kept=kept),
        replay_slice,
        partial(make_slice, kept=kept),
        drop_broken_off,
        Walk(),
        Recipients(),
        PurgeExpired(),
    ]


def do_until(stop: threading.Event, *, jobs: Sequence[Job] | None = None) -> None:
    """Do jobs, each once a round, until told to stop.

    Args:
        stop: Ends it, after the job at hand.
        jobs: What to do; by default everything that a scheduler does.
    """
    kept = KeptConnection()
    patient = [Patient(job) for job in (all_jobs(kept) if jobs is None else jobs)]
    try:
        while not stop.is_set():
            close_old_connections()
            busy = [job() for job in patient if not stop.is_set()]
            if not any(busy):
                stop.wait(PAUSE_SECONDS)
    finally:
        kept.close()
        connection.close()
