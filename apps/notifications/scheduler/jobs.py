"""The scheduler's jobs besides the sweep. Each job does one small step per round."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from django.db import DatabaseError, close_old_connections, connection

from apps.notifications.batches.materialize import make_slice
from apps.notifications.batches.upload import drop_incomplete_uploads
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.dead_letters.replay_many import replay_slice
from apps.notifications.explain.background import explain_step
from apps.notifications.feedback.waiting import MatchWaiting
from apps.notifications.flow_control.early_release import release_early
from apps.notifications.notices.watch import Watch
from apps.notifications.privacy.retention.purge import Purge
from apps.notifications.privacy.retention.recipients import Recipients
from apps.notifications.scheduler import polling
from apps.notifications.statistics.roll_up import RollUp
from apps.users.purge_expired import PurgeExpired

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5
# The backoff of a failing job, doubled for each failure in a row up to 60 s. Its work waits, and
# the error is then logged once a minute.
FIRST_WAIT_SECONDS = 0.5
LAST_WAIT_SECONDS = 60.0

# Does one step of work and returns whether there is more to do immediately.
Job = Callable[[], bool]


class JobState:
    """Runs a job, with a longer backoff for each failure in a row.

    Args:
        job: The job to run.
        clock: Returns monotonic seconds.
    """

    def __init__(self, job: Job, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self._clock = clock
        self._failures = 0
        self._next_try = 0.0

    def __call__(self) -> bool:
        """Run the job unless its backoff is active. An error does not affect other jobs."""
        if self._failures and self._clock() < self._next_try:
            return False
        try:
            more = self._job()
        except DatabaseError as error:
            # A database failure affects all jobs alike, so no backoff is needed: the job can run as
            # soon as the database is available.
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


class DueJobs:
    """A job that runs other jobs if one statement finds that a step of any of them is due.

    Args:
        jobs: Jobs whose work ``polling.jobs_due`` finds. Each has its own backoff.
    """

    def __init__(self, *jobs: Job) -> None:
        self._jobs = [JobState(job) for job in jobs]

    def __call__(self) -> bool:
        """Do a step of each job if anything is due; return whether there is more to do."""
        if not polling.jobs_due():
            return False
        more = [job() for job in self._jobs]
        return any(more)


def all_jobs(kept: KeptConnection) -> list[Job]:
    """Create the jobs of one process.

    Args:
        kept: The broker connection of the thread that runs them.
    """
    return [
        partial(release_early, kept=kept),
        DueJobs(
            replay_slice,
            partial(make_slice, kept=kept),
            drop_incomplete_uploads,
            explain_step,
        ),
        Purge(),
        Recipients(),
        RollUp(),
        MatchWaiting(),
        Watch(),
        PurgeExpired(),
    ]


def do_until(stop: threading.Event, *, jobs: Sequence[Job] | None = None) -> None:
    """Run the jobs in rounds, each once per round, until the stop event is set.

    Args:
        stop: Ends the loop after the current job.
        jobs: The jobs to run; by default all jobs of a scheduler.
    """
    kept = KeptConnection()
    patient = [JobState(job) for job in (all_jobs(kept) if jobs is None else jobs)]
    try:
        while not stop.is_set():
            close_old_connections()
            busy = [job() for job in patient if not stop.is_set()]
            if not any(busy):
                kept.close_idle()
                stop.wait(PAUSE_SECONDS)
    finally:
        kept.close()
        connection.close()
