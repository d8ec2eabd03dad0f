"""How the server sends responses."""

import resource
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks.cpu import memory_mb
from tests.common.server.conftest import Caller, Served, listens, serve
from tests.common.server.echo import FILE, HEAD_SECONDS, LINES, LONG, THREADS, line
from tests.journeys.http import until
from tests.journeys.processes import free_port

Connect = Callable[[], Caller]


def test_a_head_is_answered_without_a_body(caller: Caller) -> None:
    length = caller.request("/file", method="HEAD").headers["content-length"]
    assert int(length) == FILE.stat().st_size
    assert caller.request("/lines", method="HEAD").raw == b""
    assert caller.request("/").status == 200, "the connection goes on"


def test_an_answer_without_a_body_has_none(caller: Caller) -> None:
    answer = caller.request("/nothing")

    assert (answer.status, answer.raw) == (204, b"")


def test_a_streamed_response_arrives_completely(caller: Caller) -> None:
    assert caller.request("/lines").raw == b"".join(map(line, range(LINES)))


def test_a_long_response_arrives_completely(caller: Caller) -> None:
    answer = caller.request("/long")

    assert answer.raw == b"".join(line(number) * 100_000 for number in range(LONG))
    assert answer.headers["content-length"] == str(len(answer.raw))
    assert caller.request("/").status == 200, "the connection goes on"


def test_a_file_and_a_part_of_one_arrive_completely(caller: Caller) -> None:
    assert caller.request("/file").raw == FILE.read_bytes()
    assert caller.request("/part-of-file").raw == FILE.read_bytes()[:1000]


def test_clients_that_do_not_read_responses_use_no_thread_and_little_memory(
    connect: Connect, served: Served
) -> None:
    connect().request("/long")
    before = memory_mb(served.pid)
    for _ in range(20):
        connect().head("/long", method="GET")

    assert connect().request("/").status == 200
    # The responses are twenty times 11 MB.
    assert memory_mb(served.pid) < before + 30


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process open more connections than the server accepts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_connections_with_half_sent_heads_do_not_block_others(connect: Connect) -> None:
    for _ in range(1100):
        connect().send(b"GET / HTTP/1.1\r\nHost: here\r\n")

    other = connect()
    # A timeout below HEAD_SECONDS shows that no half-sent head had to expire first.
    other.socket.settimeout(HEAD_SECONDS - 1)
    assert other.request("/").status == 200


def test_an_exception_in_the_application_is_a_500_and_the_server_goes_on(
    caller: Caller, connect: Connect
) -> None:
    assert caller.request("/broken").status == 500
    assert connect().request("/").status == 200


def test_running_requests_are_answered_before_the_server_stops(tmp_path: Path) -> None:
    port = free_port()
    begun = tmp_path / "begun"
    process = serve(port, tmp_path)
    try:
        until(lambda: listens(port), within=30, what="the server")
        callers = [Caller(port) for _ in range(THREADS)]
        for caller in callers:
            caller.head("/slow", method="GET")
        until(
            lambda: begun.exists() and len(begun.read_text().split()) == THREADS,
            within=30,
            what="the work to begin",
        )
        process.signal_group(signal.SIGTERM)
        for caller in callers:
            assert caller.answer().status == 200
            caller.close()
    finally:
        process.stop()


def test_a_running_request_completes_although_its_client_disconnected(tmp_path: Path) -> None:
    port, begun = free_port(), tmp_path / "begun"
    process = serve(port, tmp_path)
    try:
        until(lambda: listens(port), within=30, what="the server")
        caller = Caller(port)
        caller.head("/slow", method="GET")
        until(begun.exists, within=30, what="the work to begin")
        # A reset (RST) tells the server that the client no longer reads the response.
        caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()
    finally:
        process.stop()

    assert begun.read_text().split() == ["begun", "done", "ended"]
