"""A listening socket from which several processes take an equal share of connections."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from mmap import mmap
from multiprocessing.reduction import DupFd
from typing import Any, Self

# Connections that wait to be taken from the system.
BACKLOG = 4096
# Processes that can share, far more than a machine has processors.
PROCESSES = 256
# Seconds that a process leaves a connection to the one that has fewer of them. It waits for this
# once when the other one hangs or has died, and then not again until that one takes a connection.
PATIENCE = 0.05
# Numbers kept for a process: connections that it has taken, and of them those that have ended.
ROW = 2
UNUSED = (0, -(2**40))


class SharedSocket(socket.socket):
    """A socket on which several processes listen, each for one connection at a time.

    The process with the fewest connections takes the next one. The event loop takes as many at once
    as may wait: with a usual socket the first process took all 16, and both made 0.76 of the calls.
    Of 16 that were taken one at a time by whichever process came first, one had 8 to 13.
    Uvicorn is told that one may wait, and this socket lets ``BACKLOG`` wait nevertheless.
    """

    def __init__(self, *args: int, numbers: int, **options: int) -> None:
        """Make a socket.

        Args:
            args: As of any socket.
            numbers: The descriptor of the file of numbers.
            options: As of any socket.
        """
        super().__init__(*args, **options)
        self._numbers = numbers
        self._shares: Shares | None = None

    @classmethod
    def bound(cls, host: str, port: int) -> Self:
        """Make one.

        Raises:
            OSError: The address is taken or not of this machine.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = cls(family, numbers=_file_of_numbers())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        return made

    @classmethod
    def received(cls, listening: Any, numbers: Any) -> Self:
        """Make it in a process that was started."""
        made = cls(fileno=listening.detach(), numbers=numbers.detach())
        made._shares = Shares(made._numbers)
        return made

    def listen(self, backlog: int = BACKLOG, /) -> None:
        """Listen, whatever number is named."""
        super().listen(BACKLOG)

    def accept(self) -> tuple[socket.socket, Any]:
        """Take the next connection.

        Raises:
            BlockingIOError: None waits, or it is left to another process.
        """
        if self._shares is None:
            return super().accept()
        if self._shares.another_is_next():
            raise BlockingIOError
        taken, address = super().accept()
        return _CountedSocket(taken, self._shares), address

    def __reduce__(self) -> Any:
        """Hand it to a process that is started."""
        return type(self).received, (DupFd(self.fileno()), DupFd(self._numbers))


class Shares:
    """How many connections each process has, in memory that they share.

    A process holds the lock of its row, which the system takes back when the process ends, however
    it ends; so one that is started in its place finds a free row.
    """

    def __init__(self, numbers: int) -> None:
        """Take a free row.

        Args:
            numbers: The descriptor of the file of numbers. It has to stay open: locks of a process
                end with the first of its descriptors of that file.

        Raises:
            RuntimeError: There are more than ``PROCESSES``.
        """
        self._numbers = memoryview(mmap(numbers, 0)).cast("q")
        self._own = self._free_row(numbers)
        self._numbers[self._own] = self._numbers[self._own + 1] = 0
        self._awaited: tuple[int, int] | None = None
        self._until = 0.0

    def another_is_next(self, *, clock: Any = time.monotonic) -> bool:
        """Tell whether a process with fewer connections than this one shall take the next one."""
        least = min(self._rows(), key=self._open)
        if self._open(least) >= self._open(self._own):
            return False
        awaited = (least, self._numbers[least])
        if awaited != self._awaited:
            self._awaited, self._until = awaited, clock() + PATIENCE
        return bool(clock() < self._until)

    def count_taken(self) -> None:
        """Count a connection of this process."""
        self._numbers[self._own] += 1

    def count_ended(self) -> None:
        """Count the end of one."""
        self._numbers[self._own + 1] += 1

    def _open(self, row: int) -> int:
        return self._numbers[row] - self._numbers[row + 1]

    def _rows(self) -> Iterator[int]:
        """Give the rows that have been used, which are the first ones."""
        for row in range(0, len(self._numbers), ROW):
            if self._numbers[row + 1] == UNUSED[1]:
                return
            yield row

    def _free_row(self, numbers: int) -> int:
        for row in range(0, len(self._numbers), ROW):
            try:
                fcntl.lockf(numbers, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
            except OSError:
                continue
            return row
        raise RuntimeError(f"More than {PROCESSES} processes share a socket.")


class _CountedSocket(socket.socket):
    """A connection that is counted until it is closed."""

    def __init__(self, taken: socket.socket, shares: Shares) -> None:
        super().__init__(taken.family, taken.type, taken.proto, taken.detach())
        self._shares = shares
        shares.count_taken()

    def close(self) -> None:
        """Close it."""
        if self.fileno() >= 0:
            self._shares.count_ended()
        super().close()


def _file_of_numbers() -> int:
    """Make a file without a name, which lives as long as a process has it open."""
    with tempfile.TemporaryFile() as file:
        row = b"".join(number.to_bytes(8, "little", signed=True) for number in UNUSED)
        file.write(row * PROCESSES)
        file.flush()
        return os.dup(file.fileno())
