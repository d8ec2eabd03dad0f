"""Counts of what a sink has received, queried on a separate port with one command per line."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

STATS, TIMES, RESET = "stats", "times", "reset"


class Book:
    """Counts messages and distinct messages.

    Args:
        times: Whether to keep the time of receipt of each reference too.
    """

    def __init__(self, *, times: bool) -> None:
        self._keeps_times = times
        # Messages that are taken within a second; 0 means any number.
        self.limit = 0
        self.reset()

    def reset(self) -> None:
        """Reset all counts."""
        self.taken = 0
        self.ids: set[bytes] = set()
        self.times: list[tuple[str, float]] = []
        self.first = self.last = 0.0
        self.refused: list[float] = []
        self._admitted: deque[float] = deque()

    def keep_times(self) -> None:
        """Keep the time of receipt of each reference from now on."""
        self._keeps_times = True

    def admits(self) -> bool:
        """Tell whether one more message may come, and count it."""
        now = time.time()
        while self._admitted and self._admitted[0] <= now - 1:
            self._admitted.popleft()
        if self.limit and len(self._admitted) >= self.limit:
            self.refused.append(now)
            return False
        self._admitted.append(now)
        return True

    def take(self, identity: bytes, reference: bytes = b"") -> None:
        """Count one message."""
        self.last = time.time()
        if not self.taken:
            self.first = self.last
        self.taken += 1
        self.ids.add(identity)
        if self._keeps_times:
            self.times.append((reference.decode(), self.last))

    def answer(self, word: str) -> Any:
        """Execute a command and return its result."""
        name, _, number = word.partition(" ")
        match name:
            case "limit":
                self.limit = int(number)
                return None
            case "refused":
                return self.refused
            case "stats":
                return {
                    "taken": self.taken,
                    "distinct": len(self.ids),
                    "first": self.first,
                    "last": self.last,
                }
            case "times":
                return self.times
            case "reset":
                self.reset()
                return None
        return f"unknown: {word}"


async def serve(
    protocol: Callable[[], asyncio.Protocol], *, port: int, control_port: int, book: Book
) -> None:
    """Serve a sink and its control port until the process ends."""

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while word := (await reader.readline()).decode().strip():
            writer.write(json.dumps(book.answer(word)).encode() + b"\n")
            await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", port, backlog=1024)
    await asyncio.start_server(control, "127.0.0.1", control_port)
    await server.serve_forever()


def run(
    protocol: Callable[[], asyncio.Protocol], *, port: int, control_port: int, book: Book
) -> None:
    """Serve, with uvloop if it is installed, which halves the CPU time of the sink."""
    try:
        from uvloop import run as run_loop  # noqa: PLC0415 - only where the contenders' packages are.
    except ImportError:
        run_loop = asyncio.run
    run_loop(serve(protocol, port=port, control_port=control_port, book=book))
