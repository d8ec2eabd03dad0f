"""A running server with the echo application, and raw connections to it."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import parse_headers
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.http import until
from tests.journeys.processes import BIN, Process, free_port

# More than any wait in these tests takes on a busy machine.
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Response:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True, kw_only=True)
class Served:
    """The server under test."""

    pid: int
    port: int


class Caller:
    """One client connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._reader = self.socket.makefile("rb")

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def head(self, path: str, *lines: str, method: str = "POST") -> None:
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: here", *lines, "", ""]).encode())

    def answer(self, method: str = "POST") -> Response:
        """Read exactly one response, and nothing of the next."""
        _, status, _ = self._reader.readline().decode().split(" ", 2)
        headers = {name.lower(): value for name, value in parse_headers(self._reader).items()}
        has_body = method != "HEAD" and status != "204"
        raw = self._reader.read(int(headers["content-length"])) if has_body else b""
        return Response(status=int(status), headers=headers, raw=raw)

    def request(self, path: str, *lines: str, method: str = "GET") -> Response:
        self.head(path, *lines, method=method)
        return self.answer(method)

    def closed(self) -> bool:
        """Return whether the server closes the connection."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True


def serve(port: int, folder: Path, *, processes: int = 1) -> Process:
    """Start a server; the application writes its progress to the file ``begun`` in the folder."""
    env = {
        "DJANGO_SETTINGS_MODULE": "notifications_project.settings",
        "ENV_FILE": "/dev/null",
        "BEGUN": str(folder / "begun"),
    }
    words = [f"{BIN}/python", "-m", "tests.common.server.echo", str(port), str(processes)]
    # The limit of open files that small systems start with.
    few_files = ["/bin/sh", "-c", 'ulimit -S -n 256 && exec "$@"', "sh"]
    return Process(*few_files, *words, log=folder / "log", env=env)


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = free_port()
    folder = tmp_path_factory.mktemp("server")
    process = serve(port, folder)
    try:
        until(lambda: listens(port), within=TIMEOUT_SECONDS, what=f"the server: {folder}")
        yield Served(pid=process.pid, port=port)
    finally:
        process.kill()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def connect(served: Served) -> Iterator[Callable[[], Caller]]:
    """Make connections that are closed at the end of the test."""
    with ExitStack() as opened:

        def make() -> Caller:
            caller = Caller(served.port)
            opened.callback(caller.close)
            return caller

        yield make


@pytest.fixture
def caller(connect: Callable[[], Caller]) -> Caller:
    return connect()
