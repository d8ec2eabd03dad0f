"""The base of the HTTP sinks: a server with a latency that parses only what it counts."""

import argparse
import asyncio
import re
from collections.abc import Callable
from typing import cast

from tests.benchmarks.sinks.book import Book, run

LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
# Both of our providers put the id of the notification into the body of the call.
IDENTITY = re.compile(rb'"notification_id": ?"([^"]*)"')


def answer(status: str, content: bytes, *headers: str) -> bytes:
    """Build an HTTP response."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


class HttpClient(asyncio.Protocol):
    """One connection. A subclass answers the requests."""

    def __init__(self, book: Book, *, latency: float) -> None:
        self._book, self._latency = book, latency
        self._loop = asyncio.get_running_loop()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            request, self._buffer = self._buffer[:whole], self._buffer[whole:]
            self.respond(request)

    def respond(self, request: bytes) -> None:
        """Answer a request."""
        raise NotImplementedError

    def take(self, request: bytes, taken: bytes) -> None:
        """Count the message of a request, and answer after the latency."""
        identity = IDENTITY.search(request)
        self._book.take(identity[1] if identity else b"")
        self._loop.call_later(self._latency, self._transport.write, taken)


def serve(client: Callable[..., HttpClient], description: str | None) -> None:
    """Serve as the command line says until the process is ended."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    given = parser.parse_args()
    book = Book(times=False)
    run(
        lambda: client(book, latency=given.latency),
        port=given.port,
        control_port=given.control_port,
        book=book,
    )
