"""Writes answers to a client, at the pace at which it takes them."""

import asyncio
from collections.abc import Iterable
from typing import IO, Any

from apps.common.server.answers import Answer

BLOCK_BYTES = 64 * 1024


class Writer:
    """What a connection writes, one answer at a time.

    Attributes:
        is_slow: Whether the client has yet to take what was written before.
    """

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._file: IO[bytes] | None = None
        self.is_slow = False

    @property
    def waiting_bytes(self) -> int:
        """What was written and not taken."""
        return int(self._transport.get_write_buffer_size())

    def begin(self, answer: Answer, headers: Iterable[bytes]) -> None:
        """Write an answer up to its file, with further headers."""
        self._transport.write(b"\r\n".join([answer.head, *headers, b"", answer.body]))
        self._file = answer.file

    def send_on(self) -> bool:
        """Write what the client may take; tell whether all has been written and taken."""
        while self._file is not None and not self.is_slow:
            if block := self._file.read(BLOCK_BYTES):
                self._transport.write(block)
            else:
                self.close()
        return not self.is_slow

    def close(self) -> None:
        """Write nothing of the file any more."""
        if self._file is not None:
            self._file.close()
            self._file = None
