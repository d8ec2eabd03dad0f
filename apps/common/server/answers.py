"""Sends what a WSGI application answers through a server that speaks RSGI."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from granian.rsgi import HTTPProtocol

# An answer up to this size is handed to the server in memory, a longer one as a file: the server
# sends at the pace of the client, and what it is given piece by piece it keeps without a bound.
IN_MEMORY_BYTES = 1024 * 1024
WITHOUT_BODY = frozenset({204, 304})

Headers = list[tuple[str, str]]


class Start:
    """The ``start_response`` of WSGI: keeps what it is called with."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []

    def __call__(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Keep status and headers."""
        self.status = int(status[:3])
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

    @property
    def path(self) -> str | None:
        """Its path; None for a part of a file, and for what is none on the disk."""
        name = getattr(self.file, "name", None)
        return name if isinstance(name, str) and Path(name).is_file() else None


def send(
    method: str, start: Start, body: Iterable[bytes], protocol: HTTPProtocol
) -> IO[bytes] | None:
    """Send an answer, from a thread of the pool; the client's pace does not matter to it.

    Returns:
        A file that the server is about to open by its descriptor, which must stay open for so long.

    Raises:
        granian.rsgi.ProtocolClosed: The client is gone.
    """
    if method == "HEAD" or start.status in WITHOUT_BODY:
        protocol.response_empty(start.status, start.headers)
        return None
    if isinstance(body, FileAnswer) and body.path is not None:
        protocol.response_file(start.status, start.headers, body.path)
        return None
    if not getattr(body, "streaming", True):
        protocol.response_bytes(start.status, start.headers, b"".join(body))
        return None
    return _send_what_is_made(start, iter(body), protocol)


def _send_what_is_made(
    start: Start, body: Iterator[bytes], protocol: HTTPProtocol
) -> IO[bytes] | None:
    pieces, size = [], 0
    for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size > IN_MEMORY_BYTES:
            break
    else:
        protocol.response_bytes(start.status, start.headers, b"".join(pieces))
        return None
    # It has no name, so that nothing is left of it when this process is killed.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed later, when the server has it.
    try:
        file.writelines(pieces)
        file.writelines(body)
        length = file.tell()
        file.seek(0)
        others = [header for header in start.headers if header[0].lower() != "content-length"]
        headers = [*others, ("Content-Length", str(length))]
        protocol.response_file(start.status, headers, f"/dev/fd/{file.fileno()}")
    except BaseException:
        file.close()
        raise
    return file
