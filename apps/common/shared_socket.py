"""A listening socket that spreads connections evenly over several processes."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from mmap import mmap
from multiprocessing.reduction import DupFd
from typing import Any, Self

# The size of the listen queue: connections that no process has accepted yet.
BACKLOG = 4096
# The maximum number of processes, far more than the processors of a machine.
PROCESSES = 256
# Seconds that a process waits so that a process with fewer connections can accept the next one. If
# that process hangs or has died, this wait happens once until it accepts a connection again.
PATIENCE = 0.05
# Counters for each process: connections accepted, and how many of them are closed.
ROW = 2
UNUSED = (0, -(2**40))


class SharedSocket(socket.socket):
    """A listening socket for several processes. Each accepts one connection at a time.

    The process with the fewest connections accepts the next one. The event loop accepts up to
    ``backlog`` connections in one step. With a normal socket the first process accepted all 16, and
    both processes together reached 0.76 of the throughput. When connections were accepted one at a
    time, without counting, one process got 8 to 13 of 16. So uvicorn is configured with a backlog
    of 1, and this socket still listens with ``BACKLOG``.
    """

    def __init__(self, *args: int, numbers: int, **options: int) -> None:
        """Create a socket.

        Args:
            args: Passed to ``socket.socket``.
            numbers: The file descriptor of the shared counters.
            options: Passed to ``socket.socket``.
        """
        super().__init__(*args, **options)
        self._numbers = numbers
        self._shares: Shares | None = None

    @classmethod
    def bound(cls, host: str, port: int) -> Self:
        """Create a socket and bind it to an address.

        Raises:
            OSError: The address is in use or is not an address of this machine.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = cls(family, numbers=_file_of_numbers())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        return made

    @classmethod
    def received(cls, listening: Any, numbers: Any) -> Self:
        """Recreate the socket in a child process."""
        made = cls(fileno=listening.detach(), numbers=numbers.detach())
        made._shares = Shares(made._numbers)
        return made

    def listen(self, backlog: int = BACKLOG, /) -> None:
        """Listen with ``BACKLOG``; the argument is ignored."""
        super().listen(BACKLOG)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept the next connection.

        Raises:
            BlockingIOError: No connection waits, or another process shall accept it.
        """
        if self._shares is None:
            return super().accept()
        if self._shares.another_is_next():
            raise BlockingIOError
        taken, address = super().accept()
        return _CountedSocket(taken, self._shares), address

    def __reduce__(self) -> Any:
        """Pickle the socket for a child process."""
        return type(self).received, (DupFd(self.fileno()), DupFd(self._numbers))


class Shares:
    """Connection counters of all processes, in shared memory.

    Each process holds a file lock on its row. The operating system releases the lock when the
    process ends, also after a crash. So the process that replaces it finds a free row.
    """

    def __init__(self, numbers: int) -> None:
        """Lock a free row for this process.

        Args:
            numbers: The file descriptor of the shared counters. It must stay open: a process loses
                its locks when it closes any of its descriptors of that file.

        Raises:
            RuntimeError: There are more than ``PROCESSES`` processes.
        """
        self._numbers = memoryview(mmap(numbers, 0)).cast("q")
        self._own = self._free_row(numbers)
        self._numbers[self._own] = self._numbers[self._own + 1] = 0
        self._awaited: tuple[int, int] | None = None
        self._until = 0.0

    def another_is_next(self, *, clock: Any = time.monotonic) -> bool:
        """Return whether a process with fewer connections shall accept the next one."""
        least = min(self._rows(), key=self._open)
        if self._open(least) >= self._open(self._own):
            return False
        awaited = (least, self._numbers[least])
        if awaited != self._awaited:
            self._awaited, self._until = awaited, clock() + PATIENCE
        return bool(clock() < self._until)

    def count_taken(self) -> None:
        """Count an accepted connection of this process."""
        self._numbers[self._own] += 1

    def count_ended(self) -> None:
        """Count a closed connection of this process."""
        self._numbers[self._own + 1] += 1

    def _open(self, row: int) -> int:
        return self._numbers[row] - self._numbers[row + 1]

    def _rows(self) -> Iterator[int]:
        """Yield the rows that have been used; they are the first ones."""
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
        """Close the connection and count it as closed."""
        if self.fileno() >= 0:
            self._shares.count_ended()
        super().close()


def _file_of_numbers() -> int:
    """Create an unnamed file, which exists as long as a process has it open."""
    with tempfile.TemporaryFile() as file:
        row = b"".join(number.to_bytes(8, "little", signed=True) for number in UNUSED)
        file.write(row * PROCESSES)
        file.flush()
        return os.dup(file.fileno())
