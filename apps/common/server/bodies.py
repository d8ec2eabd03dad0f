"""The bodies of requests: how long they may take, how much of them is kept, how they are read."""

import io
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.common.rest.problems import Problem

KIB = 1024
MIB = 1024 * KIB
# Beside the one that is read, so that a thread seldom waits.
BUFFER_BYTES = 64 * KIB
RETRY_SECONDS = 5
# What has not been read of a body would be taken for the next request on this connection.
CLOSE = {"Connection": "close"}


@dataclass(frozen=True, kw_only=True)
class BodyLimits:
    """How long a body may take, and how much of bodies is kept in memory.

    Attributes:
        seconds: What every body is given.
        bytes_per_second: What has come earns further time at this rate, so that a large body over
            a slow line is taken, and one that trickles is not.
        small_bytes: A body that announces up to this size is always read.
        whole_bytes: A body up to this size is whole before a thread works on it. Of a larger one
            a thread reads what comes while it works.
        longest_bytes: The most that is read of a larger one whose length was not announced.
        held_bytes: So much is held at once for all bodies that are not small.
    """

    seconds: float = 10
    bytes_per_second: float = 16 * KIB
    small_bytes: int = 64 * KIB
    whole_bytes: int = 8 * MIB
    longest_bytes: int = 1024 * MIB
    held_bytes: int = 64 * MIB

    def allowance(self, received: int) -> float:
        """Return the seconds that a body is given of which so many bytes have come."""
        return self.seconds + received / self.bytes_per_second


class Holding:
    """The memory that the bodies of a process take; used on the event loop alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Take so many bytes more.

        Raises:
            Problem: 503 where that is more than all bodies may take.
        """
        if self._held + size > self._limit:
            headers = {"Retry-After": str(RETRY_SECONDS), **CLOSE}
            detail = "Too many large bodies are being received; try again soon."
            raise Problem(503, detail, headers=headers)
        self._held += size

    def give_back(self, size: int) -> None:
        """Take so many bytes less."""
        self._held -= size


def too_slow() -> Problem:
    """Make the 408 for a body that does not come in time."""
    return Problem(408, "The body did not come in time.", headers=CLOSE)


def broken_off() -> Problem:
    """Make the 400 for a body that is not what was announced."""
    detail = "The body broke off, or its chunks are malformed or carry trailers."
    return Problem(400, detail, code="incomplete_body", headers=CLOSE)


def too_large(limit: int) -> Problem:
    """Make the 413 for a body that is larger than what is read."""
    return Problem(413, f"The body is larger than {limit} bytes.", headers=CLOSE)


class Coming(io.RawIOBase):
    """A body that a thread reads while it comes. Reading waits for the client, within a time.

    Only the waiting counts: an application that takes long over what it read costs the client none
    of its time.

    Args:
        begun: What has come already.
        limits: The time.
        wanted: Is called, from the thread that reads, when all that came has been read.
    """

    def __init__(
        self, begun: list[bytes], limits: BodyLimits, wanted: Callable[[], object]
    ) -> None:
        self._pieces = deque(begun)
        self._limits = limits
        self._wanted = wanted
        self._condition = threading.Condition()
        self._received = self._unread = sum(map(len, begun))
        self._waited = 0.0
        self._ended = False
        self._problem: Problem | None = None

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def feed(self, piece: bytes) -> int:
        """Add what has come, on the event loop; return how many bytes are not read yet."""
        with self._condition:
            self._pieces.append(piece)
            self._received += len(piece)
            self._unread += len(piece)
            self._condition.notify()
            return self._unread

    def end(self, problem: Problem | None = None) -> None:
        """Say that no more comes: it has ended, or for a problem that whoever reads it gets."""
        with self._condition:
            self._ended = True
            self._problem = problem
            self._condition.notify()

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what has come; wait where nothing has.

        Raises:
            Problem: 408 where the next piece does not come in time, 400 where the body breaks off,
                413 where it is longer than any may be.
        """
        with self._condition:
            if not self._pieces and not self._ended:
                self._wanted()
                self._wait()
            if not self._pieces:
                if self._problem is not None:
                    raise self._problem
                return 0
            piece = self._pieces.popleft()
            size = min(len(buffer), len(piece))
            buffer[:size] = piece[:size]
            if size < len(piece):
                self._pieces.appendleft(piece[size:])
            self._unread -= size
            return size

    def _wait(self) -> None:
        began = time.monotonic()
        allowed = self._limits.allowance(self._received) - self._waited
        came = self._condition.wait_for(lambda: self._pieces or self._ended, allowed)
        self._waited += time.monotonic() - began
        if not came:
            raise too_slow()
