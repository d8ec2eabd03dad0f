"""Write responses to a client at the speed at which it receives them."""

import asyncio
from collections.abc import Iterable
from typing import IO, Any

from apps.common.server.answers import Answer

BLOCK_BYTES = 64 * 1024


class Writer:
    """The writing side of a connection, for one response at a time.

    Attributes:
        is_slow: Whether the write buffer is full because the client has not received it yet.
    """

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._file: IO[bytes] | None = None
        self.is_slow = False

    @property
    def waiting_bytes(self) -> int:
        """The size of the write buffer in bytes, which the client has not received yet."""
        return int(self._transport.get_write_buffer_size())

    def begin(self, answer: Answer, headers: Iterable[bytes]) -> None:
        """Write a response without its file, with additional headers."""
        self._transport.write(b"\r\n".join([answer.head, *headers, b"", answer.body]))
        self._file = answer.file

    def send_on(self) -> bool:
        """Write until the buffer is full; return whether the response is completely written."""
        while self._file is not None and not self.is_slow:
            if block := self._file.read(BLOCK_BYTES):
                self._transport.write(block)
            else:
                self.close()
        return not self.is_slow

    def close(self) -> None:
        """Close the file and write no more of it."""
        if self._file is not None:
            self._file.close()
            self._file = None
