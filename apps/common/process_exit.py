"""Functions that run when a process shuts down."""

import atexit
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import util

import structlog

log = structlog.get_logger(__name__)

Work = Callable[[], object]

# Keyed by process id: a forked process inherits the functions of its parent and must not run them.
_works: dict[int, list[Work]] = {}


def at_end(work: Work) -> None:
    """Register a function to run when this process ends normally or by a handled signal.

    The functions run in reverse order of registration. ``atexit`` alone is not enough: when the
    stack was stopped right after 20,000 bulk rows, 3,100 and 5,600 of them were left for the sweep
    and were sent a minute later than the others. A process that ``multiprocessing`` has forked ends
    with ``os._exit`` after its own finalizers. A web process is ended by the signal itself, so the
    server calls ``end``.
    """
    if os.getpid() not in _works:
        _works[os.getpid()] = []
        if multiprocessing.parent_process() is None:
            atexit.register(end)
        else:
            util.Finalize(None, end, exitpriority=0)
    _works[os.getpid()].append(work)


def end() -> None:
    """Run the registered functions now. They do not run again later."""
    works = _works.get(os.getpid(), [])
    while works:
        work = works.pop()
        try:
            work()
        except Exception:
            log.exception("what a process does last failed")
