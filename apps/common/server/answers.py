"""What a WSGI application answers, as it goes over the wire."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any

# An answer up to this size is kept in memory for a client that is slow to take it, a longer one in
# a file.
IN_MEMORY_BYTES = 1024 * 1024
WITHOUT_BODY = frozenset({"204", "304"})

Headers = list[tuple[str, str]]


class Start:
    """The ``start_response`` of WSGI: keeps what it is called with."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: Headers = []

    def __call__(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Keep status and headers."""
        self.status = status
        self.headers = headers
        return _write


def _write(data: bytes) -> object:
    raise NotImplementedError("The application returns its body; it does not write it.")


class FileAnswer:
    """The ``wsgi.file_wrapper`` of WSGI: a file that the application answers with."""

    def __init__(self, file: IO[bytes], block_size: int = 64 * 1024) -> None:
        self.file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        """Yield its blocks."""
        while block := self.file.read(self._block_size):
            yield block

    def close(self) -> None:
        """Close it."""
        self.file.close()

    def duplicate(self) -> IO[bytes] | None:
        """Open it once more, since the application closes its own.

        Returns:
            None for what is no file, such as a part of one.
        """
        try:
            return os.fdopen(os.dup(self.file.fileno()), "rb")
        except (AttributeError, OSError):
            return None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer that is whole.

    Attributes:
        head: The status and the headers, but for those of the connection.
        body: What of the body is in memory.
        file: The rest of it.
        close: Whether the application ends the connection.
    """

    head: bytes
    body: bytes = b""
    file: IO[bytes] | None = None
    close: bool = False


def answer_of(method: str, start: Start, body: Iterable[bytes]) -> Answer:
    """Return an answer, which may be made only while its body is read."""
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
    # It has no name, so that nothing is left of it when this process is killed.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it.
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
            # What is sent has the last word: a wrong length would cut this answer or the next.
            if length is None and start.status[:3] != "204":
                lines.append(f"{name}: {value}")
        else:
            lines.append(f"{name}: {value}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    head = "\r\n".join(lines).encode("latin-1")
    return Answer(head=head, body=body, file=file, close=close)


def plain(status: HTTPStatus) -> Answer:
    """Return the answer where the application cannot be asked for one."""
    said = f'{{"type": "about:blank", "title": "{status.phrase}", "status": {status.value}}}'
    start = Start()
    start(f"{status.value} {status.phrase}", [("Content-Type", "application/problem+json")])
    answer = _answer(start, length=len(said), body=said.encode())
    return Answer(head=answer.head, body=answer.body, close=True)
