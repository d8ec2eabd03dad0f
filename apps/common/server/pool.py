"""Threads that work for the event loop."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import structlog

log = structlog.get_logger(__name__)

Work = Callable[[], object]


class Pool:
    """A fixed number of threads; what none is free for waits for its turn.

    Not the standard library's ``ThreadPoolExecutor``: its futures can be waited for by threads,
    for which each of them makes a lock. Nobody waits for what is done here: it tells the loop
    itself what came out.

    Args:
        threads: How many work at once.
        name: What they are called.
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
        """Have something done."""
        self._queue.put(work)

    def close(self) -> None:
        """End the threads when all has been done that they were given; wait for that."""
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
            # It holds the request, which must not live until the next one comes.
            del work
