"""Threads that work for the event loop."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

R = TypeVar("R")
Work = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Pool:
    """A fixed number of threads; what none is free for waits for its turn.

    Not the standard library's ``ThreadPoolExecutor``: its futures can be waited for by threads as
    well, for which each of them makes a lock. Of a call that does nothing the server layer cost
    0.19 ms of processor with it, and 0.11 ms with this.

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

    def run(self, work: Callable[[], R]) -> "asyncio.Future[R]":
        """Have something done, and return the future of its result on the loop at hand."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.put((future, work))
        return future

    def close(self) -> None:
        """End the threads when all has been done that they were given; wait for that."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (given := self._queue.get()) is not None:
            future, work = given
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - whoever waits for it is told.
                _tell(future, future.set_exception, error)
            else:
                _tell(future, future.set_result, result)


def _tell(future: "asyncio.Future[Any]", settle: Callable[[Any], None], value: Any) -> None:
    def unless_given_up() -> None:
        if not future.done():
            settle(value)

    future.get_loop().call_soon_threadsafe(unless_given_up)
