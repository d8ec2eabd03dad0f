"""A small HTTP/1.1 server on a real socket, with kept connections and scripted answers."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from tests.fakes.loop import ServerThread


@dataclass(kw_only=True)
class Request:
    """One request as received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Answer:
    """One response. ``drop`` closes the connection without a response, ``hang`` never responds.

    ``taken`` means that the request is carried out whatever the response is. With ``drip`` the
    response is sent byte by byte with a pause of this many seconds between bytes, from its first
    byte on or from its body on (``drip_from``).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    hang: bool = False
    taken: bool = False
    drip: float = 0.0
    drip_from: Literal["status", "body"] = "status"


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


class HttpServer(ServerThread):
    """Base of the HTTP fakes. Subclasses implement ``respond``, which runs in the event loop.

    Args:
        latency: Seconds before each response.
    """

    def __init__(self, *, port: int = 0, latency: float = 0.0) -> None:
        super().__init__(port=port)
        self.latency = latency
        self.connections = 0
        self.bytes_dripped = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def respond(self, request: Request) -> Answer:
        raise NotImplementedError

    async def pause(self) -> None:
        """Wait before a response."""
        if self.latency:
            await asyncio.sleep(self.latency)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ", 2)
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = self.respond(
                Request(method=method, path=path, headers=headers, body=body, connection=number)
            )
            await self.pause()
            if answer.hang:
                await asyncio.sleep(3600)
            if answer.drop:
                return
            if answer.drip:
                await self._drip(answer, writer)
            else:
                writer.write(_written(answer))
                await writer.drain()

    async def _drip(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        written = _written(answer)
        at_once = len(written) - len(answer.body) if answer.drip_from == "body" else 0
        writer.write(written[:at_once])
        for place in range(at_once, len(written)):
            await asyncio.sleep(answer.drip)
            writer.write(written[place : place + 1])
            await writer.drain()
            self.bytes_dripped += 1


def _written(answer: Answer) -> bytes:
    phrase = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body


class StatsServer(HttpServer):
    """Responds to ``GET /stats`` with the counts."""

    def __init__(self, stats: Callable[[], Mapping[str, int]], *, port: int) -> None:
        super().__init__(port=port)
        self.stats = stats

    def respond(self, request: Request) -> Answer:
        if request.path != "/stats":
            return Answer(status=404)
        return json_answer(200, self.stats())


def run_as_program(
    greeting: str, stats: Callable[[], Mapping[str, int]], *, stats_port: int | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, then print the counts as one line of JSON."""
    with ExitStack() as stack:
        if stats_port is not None:
            stack.enter_context(StatsServer(stats, port=stats_port))
        sys.stdout.write(f"{greeting}\n")
        sys.stdout.flush()
        signals = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        signal.sigwait(signals)
        sys.stdout.write(f"{json.dumps(stats())}\n")
