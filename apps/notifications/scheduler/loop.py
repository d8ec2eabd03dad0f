"""The scheduler: the sweep in one thread and the jobs in another."""

import threading
from collections.abc import Sequence

from apps.notifications.scheduler import jobs
from apps.notifications.scheduler.jobs import Job
from apps.notifications.scheduler.sweep import sweep_until


def schedule_until(stop: threading.Event, *, work: Sequence[Job] | None = None) -> None:
    """Run the sweep in this thread and the jobs in another until the stop event is set.

    A statement of a job may take up to 15 s, and due schedules must not wait for it.

    Args:
        stop: Ends both loops. The function returns when both have finished their current step.
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
