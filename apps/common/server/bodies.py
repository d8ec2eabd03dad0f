"""Request bodies: their time limits, their memory limits and how threads read them."""

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
# Buffer of a body that a thread reads while it is received, so that the thread seldom waits.
BUFFER_BYTES = 64 * KIB
RETRY_SECONDS = 5
# The unread rest of a body would be parsed as the next request of the connection, so close it.
CLOSE = {"Connection": "close"}


@dataclass(frozen=True, kw_only=True)
class BodyLimits:
    """Time and memory limits of request bodies.

    Attributes:
        seconds: The time limit of every body, in seconds.
        bytes_per_second: Received bytes extend the time limit at this rate, so that a large body
            over a slow line is accepted and a body that arrives too slowly is refused.
        small_bytes: A body with a ``Content-Length`` up to this size is always read.
        whole_bytes: A body up to this size is received completely before a thread gets the
            request. A larger one is read by the thread while it is received.
        longest_bytes: The maximum size of such a larger body.
        held_bytes: The memory for all bodies that are not small, in bytes.
    """

    seconds: float = 10
    bytes_per_second: float = 16 * KIB
    small_bytes: int = 64 * KIB
    whole_bytes: int = 8 * MIB
    longest_bytes: int = 1024 * MIB
    held_bytes: int = 64 * MIB

    def allowance(self, received: int) -> float:
        """Return the time limit in seconds of a body of which ``received`` bytes have arrived."""
        return self.seconds + received / self.bytes_per_second


class BodyMemory:
    """The memory that the bodies of a process use. Only the event loop uses this class."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Reserve ``size`` bytes.

        Raises:
            Problem: 503 if the bodies would exceed the limit.
        """
        if self._held + size > self._limit:
            headers = {"Retry-After": str(RETRY_SECONDS), **CLOSE}
            detail = "Too many large bodies are being received; try again soon."
            raise Problem(503, detail, headers=headers)
        self._held += size

    def give_back(self, size: int) -> None:
        """Release ``size`` bytes."""
        self._held -= size


def too_slow() -> Problem:
    """Return a 408 problem for a body that is not received in time."""
    return Problem(408, "The body did not come in time.", headers=CLOSE)


def broken_off() -> Problem:
    """Return a 400 problem for an incomplete or malformed body."""
    detail = "The body broke off, or its chunks are malformed or carry trailers."
    return Problem(400, detail, code="incomplete_body", headers=CLOSE)


def too_large(limit: int) -> Problem:
    """Return a 413 problem for a body that is larger than ``limit`` bytes."""
    return Problem(413, f"The body is larger than {limit} bytes.", headers=CLOSE)


class StreamedBody(io.RawIOBase):
    """A body that a thread reads while it is received. A read waits for the client up to a limit.

    Only the waiting time counts against the limit. The time that the application needs to process
    the data does not count.

    Args:
        begun: The pieces that have been received already.
        limits: The time limits.
        wanted: Called in the reading thread when it has read everything that was received.
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
        """Return True (part of the ``io`` interface)."""
        return True

    def feed(self, piece: bytes) -> int:
        """Add a received piece (on the event loop); return the number of unread bytes."""
        with self._condition:
            self._pieces.append(piece)
            self._received += len(piece)
            self._unread += len(piece)
            self._condition.notify()
            return self._unread

    def end(self, problem: Problem | None = None) -> None:
        """Mark the end of the body. With a problem, the reader gets that problem at the end."""
        with self._condition:
            self._ended = True
            self._problem = problem
            self._condition.notify()

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with received data; wait if there is none.

        Raises:
            Problem: 408 if the next piece is not received in time, 400 if the body is incomplete,
                413 if it is longer than ``BodyLimits.longest_bytes``.
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
