"""The scheduler: the sweep, and beside it the chores in a thread of their own."""

import threading
from collections.abc import Sequence

from apps.notifications import chores
from apps.notifications.chores import Chore
from apps.notifications.sweep import sweep_until


def schedule_until(stop: threading.Event, *, work: Sequence[Chore] | None = None) -> None:
    """Sweep in this thread and do chores in another until told to stop.

    A statement of a chore may take its 15 s: schedules must not wait for it.

    Args:
        stop: Ends both. Returns when both have finished what they were doing.
        work: The chores; by default all.
    """
    beside = threading.Thread(
        target=chores.do_until, args=(stop,), kwargs={"chores": work}, name="chores", daemon=True
    )
    beside.start()
    try:
        sweep_until(stop)
    finally:
        stop.set()
        beside.join()
