"""A thread pool for the event loop."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import structlog

log = structlog.get_logger(__name__)

Work = Callable[[], object]


class Pool:
    """A fixed number of threads with a queue of jobs.

    This is not the standard library's ``ThreadPoolExecutor``: each of its futures creates a lock so
    that a thread can wait for it. No thread waits for a job here; the job itself passes its result
    to the event loop.

    Args:
        threads: The number of threads.
        name: The prefix of the thread names.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, work: Work) -> None:
        """Add a job to the queue."""
        self._queue.put(work)

    def close(self) -> None:
        """Stop the threads after all queued jobs, and wait until they have stopped."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except BaseException:
                log.exception("a thread of the server failed")
            # The job references its request, which must be freed before the next job arrives.
            del work
