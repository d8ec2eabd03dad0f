"""The response of a WSGI application, as it is sent to the client."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any

# A response up to this size is kept in memory while a slow client receives it. A streamed response
# that is longer is kept in a file.
IN_MEMORY_BYTES = 1024 * 1024
WITHOUT_BODY = frozenset({"204", "304"})

Headers = list[tuple[str, str]]


class Start:
    """The ``start_response`` of WSGI; it stores its arguments."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: Headers = []

    def __call__(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Store status and headers."""
        self.status = status
        self.headers = headers
        return _write


def _write(data: bytes) -> object:
    raise NotImplementedError("The application returns its body; it does not write it.")


class FileAnswer:
    """The ``wsgi.file_wrapper`` of WSGI: a file that is the body of a response."""

    def __init__(self, file: IO[bytes], block_size: int = 64 * 1024) -> None:
        self.file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks of the file."""
        while block := self.file.read(self._block_size):
            yield block

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def duplicate(self) -> IO[bytes] | None:
        """Duplicate the file descriptor, because the application closes its own.

        Returns:
            The duplicate; None for an object without a descriptor, such as a part of a file.
        """
        try:
            return os.fdopen(os.dup(self.file.fileno()), "rb")
        except (AttributeError, OSError):
            return None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete response.

    Attributes:
        head: The status line and the headers, without those about the connection.
        body: The body, if it is in memory.
        file: The body, if it is in a file.
        close: Whether the application requests that the connection is closed.
    """

    head: bytes
    body: bytes = b""
    file: IO[bytes] | None = None
    close: bool = False


def answer_of(method: str, start: Start, body: Iterable[bytes]) -> Answer:
    """Read the body of a response and return the complete response.

    The application may set status and headers only while its body is read.
    """
    if method == "HEAD" or start.status[:3] in WITHOUT_BODY:
        return _answer(start, length=None)
    if isinstance(body, FileAnswer) and (file := body.duplicate()) is not None:
        return _answer(start, length=os.fstat(file.fileno()).st_size - file.tell(), file=file)
    pieces, size = [], 0
    for piece in (iterator := iter(body)):
        pieces.append(piece)
        size += len(piece)
        if size > IN_MEMORY_BYTES and getattr(body, "streaming", True):
            return _from_file(start, pieces, iterator)
    return _answer(start, length=size, body=b"".join(pieces))


def _from_file(start: Start, pieces: list[bytes], rest: Iterator[bytes]) -> Answer:
    # The file has no name, so that it disappears when this process is killed.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the writer closes it after sending.
    try:
        file.writelines(pieces)
        file.writelines(rest)
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return _answer(start, length=length, file=file)


def _answer(
    start: Start, *, length: int | None, body: bytes = b"", file: IO[bytes] | None = None
) -> Answer:
    lines = [f"HTTP/1.1 {start.status}"]
    close = False
    for name, value in start.headers:
        small = name.lower()
        if small == "connection":
            close = value.lower() == "close"
        elif small == "content-length":
            # Use the length of the body that is sent. A wrong length would corrupt this response
            # or the next one.
            if length is None and start.status[:3] != "204":
                lines.append(f"{name}: {value}")
        else:
            lines.append(f"{name}: {value}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    head = "\r\n".join(lines).encode("latin-1")
    return Answer(head=head, body=body, file=file, close=close)


def plain(status: HTTPStatus) -> Answer:
    """Return an error response for cases in which the application cannot create one."""
    said = f'{{"type": "about:blank", "title": "{status.phrase}", "status": {status.value}}}'
    start = Start()
    start(f"{status.value} {status.phrase}", [("Content-Type", "application/problem+json")])
    answer = _answer(start, length=len(said), body=said.encode())
    return Answer(head=answer.head, body=answer.body, close=True)
