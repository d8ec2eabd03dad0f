"""A server with the echoing application, and raw connections to it."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.journeys.http import until
from tests.journeys.processes import BIN, Process, free_port

# Longer than anything that is waited for here takes on a busy machine.
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Answered:
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
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def head(self, path: str, *lines: str, method: str = "POST") -> None:
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: here", *lines, "", ""]).encode())

    def answer(self, method: str = "POST") -> Answered:
        response = HTTPResponse(self.socket, method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answered(status=response.status, headers=headers, raw=response.read())

    def asked(self, path: str, *lines: str, method: str = "GET") -> Answered:
        self.head(path, *lines, method=method)
        return self.answer(method)

    def closed(self) -> bool:
        """Tell whether the server ends the connection."""
        return self.socket.recv(1) == b""


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = free_port()
    words = ["--interface", "rsgi", "--http", "1", "--no-ws", "--port", str(port)]
    words += ["--backlog", "4096", "--backpressure", "4096"]
    words += ["--log-level", "warning", "tests.common.server.echo:server"]
    log = tmp_path_factory.mktemp("server") / "log"
    env = {"DJANGO_SETTINGS_MODULE": "notifications_project.settings", "ENV_FILE": "/dev/null"}
    process = Process(f"{BIN}/granian", *words, log=log, env=env)
    try:
        until(lambda: listens(port), within=TIMEOUT_SECONDS, what=f"the server: {log}")
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
    """Make connections, which end with the test."""
    with ExitStack() as opened:

        def make() -> Caller:
            caller = Caller(served.port)
            opened.enter_context(caller.socket)
            return caller

        yield make


@pytest.fixture
def caller(connect: Callable[[], Caller]) -> Caller:
    return connect()
