"""A webhook of a client application, made for speed: it takes every event.

``python -m tests.benchmarks.sinks.webhook --port 8027 --control-port 8028 --latency 0``.
"""

import re

from tests.benchmarks.sinks.book import Book
from tests.benchmarks.sinks.http import HttpClient, answer, serve

TAKEN = answer("204 No Content", b"")
EVENT_ID = re.compile(rb"^webhook-id: *(\S+)", re.IGNORECASE | re.MULTILINE)


class WebhookClient(HttpClient):
    """One connection."""

    def __init__(self, book: Book, *, latency: float) -> None:
        super().__init__(book, latency=latency)
        book.keep_times()

    def respond(self, request: bytes) -> None:
        found = EVENT_ID.search(request)
        identity = found[1] if found else b""
        self._book.take(identity, identity)
        self._loop.call_later(self._latency, self._transport.write, TAKEN)


if __name__ == "__main__":
    serve(WebhookClient, __doc__)
