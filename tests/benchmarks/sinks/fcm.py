"""FCM's HTTP v1 API with a latency, made for speed: it accepts every token and message.

``python -m tests.benchmarks.sinks.fcm --port 8027 --control-port 8028 --latency 0.05``.
"""

import argparse
import asyncio
import json
import re
from pathlib import Path
from typing import cast

from tests.benchmarks.sinks.book import Book, run

LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
IDENTITY = re.compile(rb'"notification_id": ?"([^"]*)"')
TOKEN = {"access_token": "ya29.sink", "expires_in": 3600, "token_type": "Bearer"}
PROJECT = "sink"
MESSAGE = {"name": f"projects/{PROJECT}/messages/1"}


def _answer(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    return f"{head}\r\n\r\n".encode() + content


TOKEN_ANSWER, MESSAGE_ANSWER = _answer(TOKEN), _answer(MESSAGE)


class FcmClient(asyncio.Protocol):
    """One connection."""

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
            self._respond(request)

    def _respond(self, request: bytes) -> None:
        if request.startswith(b"POST /token "):
            self._transport.write(TOKEN_ANSWER)
            return
        identity = IDENTITY.search(request)
        self._book.take(identity[1] if identity else b"")
        self._loop.call_later(self._latency, self._transport.write, MESSAGE_ANSWER)


def write_key_file(path: Path, *, port: int, private_key_pem: str) -> None:
    """Write a service account file whose token exchange is served by the sink."""
    key = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "sink",
        "private_key": private_key_pem,
        "client_email": f"sender@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    path.write_text(json.dumps(key))


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    given = parser.parse_args()
    book = Book(times=False)
    run(
        lambda: FcmClient(book, latency=given.latency),
        port=given.port,
        control_port=given.control_port,
        book=book,
    )


if __name__ == "__main__":
    main()
