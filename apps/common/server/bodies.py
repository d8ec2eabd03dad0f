"""Reading the bodies of requests on the event loop, within a time and a size."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError

from apps.common.problems import Problem

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
        small_bytes: A body up to this size is always read.
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


@dataclass(frozen=True, kw_only=True)
class Body:
    """What an application reads.

    Attributes:
        length: In bytes; the most it may be where the client does not say.
        coming: Whether reading it may wait for the client.
    """

    stream: IO[bytes]
    length: int
    coming: bool = False


def none() -> Body:
    """Return the body of a request that has none."""
    return Body(stream=io.BytesIO(), length=0)


class Holding:
    """The memory that the bodies of a process take; used on the event loop alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @contextmanager
    def opened(self) -> Iterator["Held"]:
        """Account for one body, until the block is left."""
        held = Held(self)
        try:
            yield held
        finally:
            held.give_back()

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


class Held:
    """What one body takes of it."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self.size = 0

    def take(self, size: int) -> None:
        """Take so many bytes more.

        Raises:
            Problem: 503 where that is more than all bodies may take.
        """
        self._holding.take(size)
        self.size += size

    def give_back(self) -> None:
        """Take nothing any more."""
        self._holding.take(-self.size)
        self.size = 0


async def read(
    headers: Any, protocol: HTTPProtocol, limits: BodyLimits, held: Held, *, large: bool
) -> Body:
    """Return the body when it is whole, or larger than what is read whole.

    Args:
        headers: Those of the request, as the server gives them.
        protocol: The server's end of the request.
        limits: The time and the size.
        held: Where the memory is accounted for that the body takes.
        large: Whether it may be larger than what is read whole.

    Raises:
        Problem: 408 where it does not come in time, 400 where it breaks off or is malformed, 413
            where it is too large, 503 where too much is held already.
    """
    announced = headers.get("content-length")
    if announced is None and "transfer-encoding" not in headers:
        return none()
    length = None if announced is None else int(announced)
    try:
        if length is not None and length <= limits.small_bytes:
            async with asyncio.timeout(limits.seconds):
                # The server ends it at its length, and fails where it ends before.
                return Body(stream=io.BytesIO(await protocol()), length=length)
        chunks = Chunks(protocol, length)
        if length is not None and length > limits.whole_bytes:
            return _coming(chunks, length, limits, b"", large=large)
        return await _read_by_chunks(chunks, limits, held, large=large)
    except TimeoutError:
        raise too_slow() from None
    except (ProtocolClosed, ProtocolError):
        raise broken_off() from None


def too_slow() -> Problem:
    """Make the 408 for a body that does not come in time."""
    return Problem(408, "The body did not come in time.", headers=CLOSE)


def broken_off() -> Problem:
    """Make the 400 for a body that is not what was announced."""
    detail = "The body broke off, or its chunks are malformed or carry trailers."
    return Problem(400, detail, code="incomplete_body", headers=CLOSE)


class Chunks:
    """What comes of a body, piece by piece.

    The server gives an empty piece for the end, but also for a failure and for trailers. These are
    followed by one more, the end is not.
    """

    def __init__(self, protocol: HTTPProtocol, length: int | None) -> None:
        self._pieces = cast("AsyncIterator[bytes]", protocol.__aiter__())
        self._missing = length

    async def next(self) -> bytes:
        """Return the next piece, empty at the end.

        Raises:
            Problem: 400 where it breaks off or is malformed.
        """
        piece = await self._next() or b""
        if self._missing is not None:
            self._missing -= len(piece)
        if not piece and (self._missing or await self._next() is not None):
            raise broken_off()
        return piece

    async def _next(self) -> bytes | None:
        try:
            # Not anext() with a default, under which the server's awaitable ends the process by a
            # fault of memory (CPython 3.11, Granian 2.8.7).
            return await self._pieces.__anext__()
        except StopAsyncIteration:
            return None


async def _read_by_chunks(chunks: Chunks, limits: BodyLimits, held: Held, *, large: bool) -> Body:
    pieces: list[bytes] = []
    begin = asyncio.get_running_loop().time()
    async with asyncio.timeout(limits.seconds) as time_limit:
        while piece := await chunks.next():
            held.take(len(piece))
            pieces.append(piece)
            if held.size > limits.whole_bytes:
                begun = b"".join(pieces)
                return _coming(chunks, limits.longest_bytes, limits, begun, large=large)
            time_limit.reschedule(begin + limits.allowance(held.size))
    return Body(stream=io.BytesIO(b"".join(pieces)), length=held.size)


def _coming(chunks: Chunks, length: int, limits: BodyLimits, begun: bytes, *, large: bool) -> Body:
    if not large:
        detail = f"The body is larger than {limits.whole_bytes} bytes."
        raise Problem(413, detail, headers=CLOSE)
    stream = io.BufferedReader(Coming(chunks, limits, begun), BUFFER_BYTES)
    return Body(stream=stream, length=length, coming=True)


class Coming(io.RawIOBase):
    """A body that a thread reads while it comes. Reading waits for the client, within a time.

    Only the waiting counts: an application that takes long over what it read costs the client none
    of its time.
    """

    def __init__(self, chunks: Chunks, limits: BodyLimits, begun: bytes) -> None:
        self._chunks: Chunks | None = chunks
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._rest = begun
        self._received = len(begun)
        self._waited = 0.0
        self._ended = False

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def close(self) -> None:
        """Let go of what has not come: as long as it is held the connection stays open."""
        self._chunks = None
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what has come; wait where nothing has.

        Raises:
            Problem: 408 where the next piece does not come in time, 400 where the body breaks off.
        """
        if not self._rest and not self._ended:
            self._rest = self._next()
            self._received += len(self._rest)
            self._ended = not self._rest
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _next(self) -> bytes:
        future = asyncio.run_coroutine_threadsafe(self._timed_next(), self._loop)
        try:
            return future.result()
        except TimeoutError:
            raise too_slow() from None
        except (ProtocolClosed, ProtocolError, CancelledError):
            raise broken_off() from None

    async def _timed_next(self) -> bytes:
        begin = self._loop.time()
        try:
            async with asyncio.timeout(self._limits.allowance(self._received) - self._waited):
                return b"" if self._chunks is None else await self._chunks.next()
        finally:
            self._waited += self._loop.time() - begin
