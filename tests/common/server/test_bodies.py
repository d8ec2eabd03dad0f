"""How request bodies are received, and the limits for large, slow and incomplete ones."""

import contextlib
import hashlib
import select
import time
from collections.abc import Callable

import pytest

from tests.common.server.conftest import Caller
from tests.common.server.echo import HELD, SECONDS, SMALL, THREADS, WHOLE

CHUNKED = "Transfer-Encoding: chunked"
Connect = Callable[[], Caller]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("size", [1, SMALL, SMALL + 1, WHOLE])
@pytest.mark.parametrize("way", ["length", "chunks"])
def test_a_body_arrives_completely_with_a_length_or_in_chunks(
    caller: Caller, size: int, way: str
) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    if way == "chunks":
        caller.head("/", CHUNKED)
        caller.send(chunk(body[:1]), chunk(body[1:]) if size > 1 else b"", b"0\r\n\r\n")
    else:
        caller.head("/", f"Content-Length: {size}")
        caller.send(body[:1], body[1:])

    received = caller.answer().body
    assert (received["CONTENT_LENGTH"], received["length"]) == (str(size), size)
    assert received["sha256"] == hashlib.sha256(body).hexdigest()


def test_an_empty_chunked_body_counts_as_no_body(caller: Caller) -> None:
    caller.head("/", CHUNKED)
    caller.send(b"0\r\n\r\n")

    assert caller.answer().body["CONTENT_LENGTH"] == ""


@pytest.mark.parametrize("line", ["Content-Length: 2000", f"Content-Length: {WHOLE}", CHUNKED])
def test_half_sent_bodies_do_not_delay_other_requests(connect: Connect, line: str) -> None:
    waiting = [connect() for _ in range(10 * THREADS)]
    for caller in waiting:
        caller.head("/", line)
        caller.send(chunk(b"{}") if line == CHUNKED else b"{}")

    others = connect()
    for _ in range(20):
        assert others.request("/").status == 200

    for caller in waiting:
        answer = caller.answer()
        assert (answer.status, answer.body["code"]) == (408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert caller.closed()


@pytest.mark.parametrize("path", ["/", "/large"])
def test_a_body_that_trickles_is_a_408(caller: Caller, path: str) -> None:
    caller.head(path, f"Content-Length: {WHOLE if path == '/' else WHOLE + 1}")
    caller.socket.settimeout(SECONDS / 20)
    for _ in range(1000):
        caller.send(b"x")
        try:
            if caller.socket.recv(1, 2):  # MSG_PEEK
                break
        except TimeoutError:
            continue
    caller.socket.settimeout(30)

    assert caller.answer().status == 408


@pytest.mark.parametrize("path", ["/", "/large"])
def test_a_slow_body_above_the_minimum_rate_is_accepted(caller: Caller, path: str) -> None:
    pieces = 40
    size = WHOLE if path == "/" else 2 * WHOLE
    caller.head(path, f"Content-Length: {size}")
    for number in range(pieces):
        caller.send(b"x" * (size * (number + 1) // pieces - size * number // pieces))
        time.sleep(1.5 * SECONDS / pieces)

    assert caller.answer().body["length"] == size


@pytest.mark.parametrize(
    "rest",
    [b"zz\r\nabc\r\n", b"0\r\nTrailer: x\r\n\r\n", b"3\r\nabc"],
    ids=["size", "trailer", "end"],
)
def test_malformed_chunks_are_a_400(caller: Caller, rest: bytes) -> None:
    caller.head("/", CHUNKED)
    caller.send(chunk(b"abc"), rest + b"x" * 10)

    answer = caller.answer()
    assert (answer.status, answer.body["code"]) == (400, "incomplete_body")


@pytest.mark.parametrize("path", ["/", "/large"])
@pytest.mark.parametrize("way", ["length", "chunks"])
def test_an_incomplete_body_is_never_handled_as_a_complete_one(
    connect: Connect, path: str, way: str
) -> None:
    size = 2 * WHOLE if path == "/large" else WHOLE // 2
    before = connect().request("/whole-bodies").body
    caller = connect()
    caller.head(path, CHUNKED if way == "chunks" else f"Content-Length: {size + 1}")
    caller.send(chunk(b"x" * size) if way == "chunks" else b"x" * size)
    caller.close()

    # Until the server has seen the end of the connection, this body might still be completed.
    time.sleep(0.5)
    assert connect().request("/whole-bodies").body == before


def test_a_large_body_is_read_while_it_is_received(caller: Caller) -> None:
    body = b"0123456789abcdef" * (5 * WHOLE // 16)
    caller.head("/large", f"Content-Length: {len(body)}")
    caller.send(body)

    received = caller.answer().body
    assert (received["length"], received["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_a_large_chunked_body_is_read_while_it_is_received(caller: Caller) -> None:
    body = b"0123456789abcdef" * (5 * WHOLE // 16)
    caller.head("/large/", CHUNKED)
    for begin in range(0, len(body), 50_000):
        caller.send(chunk(body[begin : begin + 50_000]))
    caller.send(b"0\r\n\r\n")

    received = caller.answer().body
    assert (received["length"], received["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_an_endless_chunked_body_is_a_413(caller: Caller) -> None:
    caller.head("/large", CHUNKED)
    for _ in range(11):
        caller.send(chunk(b"x" * WHOLE))

    answer = caller.answer()
    assert (answer.status, answer.body["code"]) == (413, "body_too_large")


def test_a_large_body_is_received_only_as_fast_as_it_is_read(caller: Caller) -> None:
    caller.head("/large/later", "Content-Length: 1000000000")
    caller.socket.settimeout(0.3)
    taken, piece = 0, b"x" * 1_000_000
    with contextlib.suppress(TimeoutError):
        while taken < len(piece) * 1000:
            taken += caller.socket.send(piece)

    # The socket buffers of both sides hold some megabytes.
    assert taken < 50 * len(piece)


def test_waiting_for_a_large_body_uses_no_thread_of_other_requests(connect: Connect) -> None:
    waiting = [connect() for _ in range(5 * THREADS)]
    for caller in waiting:
        caller.head("/large", f"Content-Length: {2 * WHOLE}")
        caller.send(b"x")

    assert connect().request("/").status == 200


def test_the_connection_is_closed_when_a_large_body_is_answered_unread(caller: Caller) -> None:
    caller.head("/large/unread", f"Content-Length: {2 * WHOLE}")
    caller.send(b"x")

    assert caller.answer().body == {"unread": True}
    assert caller.closed()


@pytest.mark.parametrize("way", ["length", "chunks"])
def test_a_large_body_on_another_path_is_a_413(caller: Caller, way: str) -> None:
    caller.head("/", CHUNKED if way == "chunks" else f"Content-Length: {WHOLE + 1}")
    if way == "chunks":
        caller.send(chunk(b"x" * (WHOLE + 1)))

    answer = caller.answer()
    assert (answer.status, answer.body["code"]) == (413, "body_too_large")
    assert str(WHOLE) in answer.body["detail"]


def test_large_bodies_beyond_the_memory_limit_are_a_503_with_retry_after(connect: Connect) -> None:
    waiting = [connect() for _ in range(HELD // (WHOLE - 1) + 1)]
    for caller in waiting:
        caller.head("/", f"Content-Length: {WHOLE}")
        caller.send(b"x" * (WHOLE - 1))
    # Which request exceeds the memory limit depends on which one is received last.
    (answered,), _, _ = select.select([caller.socket for caller in waiting], [], [], 30)
    refused = next(caller for caller in waiting if caller.socket is answered)
    waiting.remove(refused)

    answer = refused.answer()
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0

    small = connect()
    small.head("/", f"Content-Length: {SMALL}")
    small.send(b"x" * SMALL)
    assert small.answer().status == 200
    for caller in waiting:
        caller.send(b"x")
        assert caller.answer().status == 200
    assert connect().request("/").status == 200, "what was held has been given back"
