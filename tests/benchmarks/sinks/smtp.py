"""A fast mail server that accepts everything: no streams, no rules, and it stores no mails.

``python -m tests.benchmarks.sinks.smtp --port 2525 --control-port 2526``.
"""

import argparse
import asyncio
import re
from typing import cast

from tests.benchmarks.sinks.book import Book, run

IDENTITY = re.compile(rb"^Message-ID: *(\S+)", re.IGNORECASE | re.MULTILINE)
# The subject of a benchmark mail ends with its reference.
REFERENCE = re.compile(rb"^Subject: *[^\r\n]*?(\S+)\r?$", re.IGNORECASE | re.MULTILINE)
END_OF_MAIL = b"\r\n.\r\n"
REPLIES = {
    b"EHLO": (
        b"250-sink.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n"
        b"250 ENHANCEDSTATUSCODES\r\n"
    ),
    b"HELO": b"250 sink.example\r\n",
    b"MAIL": b"250 2.1.0 Sender ok\r\n",
    b"RCPT": b"250 2.1.5 Recipient ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b"RSET": b"250 2.0.0 Reset\r\n",
    b"NOOP": b"250 2.0.0 Yes\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
REFUSED = b"450 4.7.1 Too many messages, slow down\r\n"
TAKEN = b"250 2.0.0 Ok\r\n"
UNKNOWN = b"500 5.5.2 What?\r\n"


class SmtpLine(asyncio.Protocol):
    """One connection."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = b""
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Process the next line or mail; return False if more data has to be received first."""
        end = self._buffer.find(END_OF_MAIL if self._in_mail else b"\r\n")
        if end < 0:
            return False
        if self._in_mail:
            # References are in the headers, so the body is not searched.
            head = self._buffer[: self._buffer.find(b"\r\n\r\n") + 2]
            self._buffer = self._buffer[end + len(END_OF_MAIL) :]
            self._in_mail = False
            identity, reference = IDENTITY.search(head), REFERENCE.search(head)
            self._book.take(identity[1] if identity else b"", reference[1] if reference else b"")
            self._transport.write(TAKEN)
            return True
        verb = self._buffer[:4].upper()
        self._buffer = self._buffer[end + 2 :]
        self._in_mail = verb == b"DATA"
        refused = verb == b"MAIL" and not self._book.admits()
        self._transport.write(REFUSED if refused else REPLIES.get(verb, UNKNOWN))
        if verb == b"QUIT":
            self._transport.close()
        return True


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    given = parser.parse_args()
    book = Book(times=True)
    run(lambda: SmtpLine(book), port=given.port, control_port=given.control_port, book=book)


if __name__ == "__main__":
    main()
