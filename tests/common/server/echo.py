"""A WSGI application that returns what it received, served by the server under test."""

import hashlib
import io
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from apps.common.rest.problems import Problem
from apps.common.server import BodyLimits, Limits, Server
from apps.common.server.answers import Start
from apps.common.server.refusals import REFUSAL
from apps.common.serving import serve

THREADS = 2
SECONDS = 3.0
HEAD_SECONDS, IDLE_SECONDS = 4.0, 6.0
HEAD_BYTES = 8 * 1024
CONNECTIONS = 100
SMALL, WHOLE, HELD = 1024, 100 * 1024, 250 * 1024
LINES = 1000
LONG = 40
FILE = Path(__file__)

whole_bodies: list[int] = []
# Keeps requests alive as a reference cycle does until the next garbage collection.
kept: list[Any] = []


def application(environ: dict[str, Any], start: Start) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case per path.
    """Answer depending on the path."""
    match environ["PATH_INFO"]:
        case "/slow":
            write("begun")
            time.sleep(1)
            write("done")
            return answer(start, "200 OK", {"slow": True})
        case "/large/later":
            time.sleep(1)
            return echo(environ, start)
        case "/large/unread":
            kept.append(environ)
            return answer(start, "200 OK", {"unread": True})
        case "/nothing":
            start("204 No Content", [])
            return []
        case "/lines":
            start("200 OK", [("Content-Type", "text/plain")])
            return (line(number) for number in range(LINES))
        case "/long":
            start("200 OK", [])
            return (line(number) * 100_000 for number in range(LONG))
        case "/file":
            start("200 OK", [("Content-Length", str(FILE.stat().st_size))])
            return environ["wsgi.file_wrapper"](FILE.open("rb"))
        case "/part-of-file":
            part = io.BytesIO(FILE.read_bytes()[:1000])
            start("206 Partial Content", [("Content-Length", "1000")])
            return environ["wsgi.file_wrapper"](part)
        case "/broken":
            raise LookupError("The application is broken.")
        case "/pid":
            return answer(start, "200 OK", os.getpid())
        case "/files":
            return answer(start, "200 OK", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        case "/whole-bodies":
            return answer(start, "200 OK", whole_bodies)
        case _:
            return echo(environ, start)


def write(word: str) -> None:
    """Append a line to the file that the test reads."""
    with Path(os.environ["BEGUN"]).open("a") as begun:
        begun.write(f"{word}\n")


def echo(environ: dict[str, Any], start: Start) -> list[bytes]:
    """Answer with what was received."""
    refusal: Problem | None = environ.get(REFUSAL)
    if refusal is None:
        try:
            body = environ["wsgi.input"].read()
        except Problem as problem:
            refusal = problem
    if refusal is not None:
        kept.append(environ)
        headers = list(refusal.headers.items())
        said = {"code": refusal.problem_code, "detail": str(refusal.detail)}
        return answer(start, f"{refusal.status_code} Refused", said, headers)
    whole_bodies.append(len(body))
    texts = {key: value for key, value in environ.items() if isinstance(value, str)}
    body_facts = {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return answer(start, "200 OK", {**texts, **body_facts})


def line(number: int) -> bytes:
    return b"%d\n" % number


def answer(
    start: Start, status: str, document: Any, headers: list[tuple[str, str]] | None = None
) -> list[bytes]:
    body = json.dumps(document).encode()
    start(status, [("Content-Length", str(len(body))), *(headers or [])])
    return [body]


server = Server(
    application,
    threads=THREADS,
    large_body_threads=1,
    large_body_paths={"/large", "/large/later", "/large/unread"},
    limits=Limits(
        head_seconds=HEAD_SECONDS,
        idle_seconds=IDLE_SECONDS,
        head_bytes=HEAD_BYTES,
        connections=CONNECTIONS,
        bodies=BodyLimits(
            seconds=SECONDS,
            bytes_per_second=16 * 1024,
            small_bytes=SMALL,
            whole_bytes=WHOLE,
            longest_bytes=10 * WHOLE,
            held_bytes=HELD,
        ),
    ),
    at_end=lambda: write("ended"),
)


if __name__ == "__main__":
    serve("tests.common.server.echo:server", port=int(sys.argv[1]), processes=int(sys.argv[2]))
