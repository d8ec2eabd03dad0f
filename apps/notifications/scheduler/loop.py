"""The scheduler: the sweep, and beside it the jobs in a thread of their own."""

import threading
from collections.abc import Sequence

from apps.notifications.scheduler import jobs
from apps.notifications.scheduler.jobs import Job
from apps.notifications.scheduler.sweep import sweep_until


def schedule_until(stop: threading.Event, *, work: Sequence[Job] | None = None) -> None:
    """Sweep in this thread and do jobs in another until told to stop.

    A statement of a job may take its 15 s: schedules must not wait for it.

    Args:
        stop: Ends both. Returns when both have finished what they were doing.
        work: The jobs; by default all.
    """
    beside = threading.Thread(
        target=jobs.do_until, args=(stop,), kwargs={"jobs": work}, name="jobs", daemon=True
    )
    beside.start()
    try:
        sweep_until(stop)
    finally:
        stop.set()
        beside.join()
