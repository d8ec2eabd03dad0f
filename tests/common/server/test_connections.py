"""What a client may send on a connection, and how long connections are kept."""

import select
import socket
import time
from collections.abc import Callable

import pytest

from tests.common.server.conftest import Caller
from tests.common.server.echo import CONNECTIONS, HEAD_BYTES, LONG, WHOLE, line

Connect = Callable[[], Caller]
GET = b"GET /%d HTTP/1.1\r\nHost: here\r\n\r\n"


def test_pipelined_requests_are_answered_in_order(caller: Caller) -> None:
    body = b"POST /4 HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\na"
    caller.send(GET % 1 + GET % 2 + GET % 3 + body)

    assert [caller.answer().body["PATH_INFO"] for _ in "123"] == ["/1", "/2", "/3"]
    caller.send(b"bc" + GET % 5)
    assert (caller.answer().body["length"], caller.answer().body["PATH_INFO"]) == (3, "/5")


def test_a_half_sent_second_request_times_out_after_the_first_is_answered(
    caller: Caller,
) -> None:
    caller.send(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n", b"POST / HTTP/1.1\r\nHost: here\r\n")
    caller.send(b"Content-Length: 3\r\n\r\na")

    assert caller.answer().body == {"slow": True}
    assert caller.answer().status == 408


def test_a_client_that_half_closes_its_connection_gets_its_response(caller: Caller) -> None:
    caller.send(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
    caller.socket.shutdown(socket.SHUT_WR)

    assert caller.answer().body == {"slow": True}
    assert caller.closed()


def test_a_client_that_half_closes_after_two_requests_gets_both_responses(caller: Caller) -> None:
    caller.send(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n", GET % 2)
    caller.socket.shutdown(socket.SHUT_WR)

    assert caller.answer().body == {"slow": True}
    assert caller.answer().body["PATH_INFO"] == "/2"
    assert caller.closed()


def test_a_client_that_expects_100_continue_gets_it(caller: Caller) -> None:
    caller.head("/", "Content-Length: 3", "Expect: 100-continue")

    assert caller.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.send(b"abc")
    assert caller.answer().body["length"] == 3


def test_a_client_that_expects_100_continue_for_a_large_body_gets_a_413(caller: Caller) -> None:
    caller.head("/", f"Content-Length: {WHOLE + 1}", "Expect: 100-continue")

    assert caller.answer().status == 413


def test_a_client_that_keeps_sending_still_receives_the_413(caller: Caller) -> None:
    caller.head("/", f"Content-Length: {100 * WHOLE}")
    for _ in range(50):
        caller.send(b"x" * WHOLE)

    assert caller.answer().status == 413


def test_an_http_1_0_client_gets_a_response_and_a_closed_connection(caller: Caller) -> None:
    caller.send(b"GET / HTTP/1.0\r\n\r\n")

    answer = caller.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert caller.closed()


def test_a_request_to_upgrade_the_protocol_is_answered_without_an_upgrade(caller: Caller) -> None:
    answer = caller.request("/", "Connection: Upgrade", "Upgrade: h2c")

    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert caller.closed()


@pytest.mark.parametrize(
    "head",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : here\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\nX: a\r\n b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: -4\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\nX: a\x00b\r\n\r\n",
        b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET here HTTP/1.1\r\nHost: here\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_an_ambiguous_or_malformed_head_is_refused(caller: Caller, head: bytes) -> None:
    caller.send(head)

    assert caller.answer().status == 400
    assert caller.closed()


def test_a_malformed_head_is_refused_with_a_problem_document(caller: Caller) -> None:
    caller.send(b"GET\r\n\r\n")

    answer = caller.answer()
    assert answer.body == {"type": "about:blank", "title": "Bad Request", "status": 400}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_head_that_is_too_long_is_refused(caller: Caller) -> None:
    caller.head("/", f"X: {'x' * HEAD_BYTES}", method="GET")

    assert caller.answer().status == 431


def test_a_head_that_becomes_too_long_is_refused(caller: Caller) -> None:
    caller.send(b"GET / HTTP/1.1\r\nHost: here\r\n")
    for _ in range(20):
        caller.send(b"X: " + b"x" * (HEAD_BYTES // 10) + b"\r\n")
        time.sleep(0.01)

    assert caller.answer().status == 431


def test_an_endless_header_is_refused(caller: Caller) -> None:
    caller.send(b"GET / HTTP/1.1\r\nHost: here\r\nX: ")
    for _ in range(20):
        caller.send(b"x" * (HEAD_BYTES // 10))
        time.sleep(0.01)

    assert caller.answer().status == 431


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: here\r\n", GET % 1])
def test_an_idle_connection_is_closed(caller: Caller, sent: bytes) -> None:
    caller.send(sent)
    if sent == GET % 1:
        assert caller.answer().status == 200

    assert caller.closed()


def test_a_response_that_the_client_does_not_read_is_discarded(caller: Caller) -> None:
    caller.head("/long", method="GET")
    time.sleep(12)

    # The network still delivers what was already sent.
    came = 0
    while piece := caller.socket.recv(1024 * 1024):
        came += len(piece)
    assert came < sum(len(line(number)) * 100_000 for number in range(LONG))


def test_above_the_connection_limit_the_oldest_idle_connections_are_closed(
    connect: Connect,
) -> None:
    first = [connect() for _ in range(CONNECTIONS)]
    for caller in first:
        caller.send(b"GET / HTTP/1.1\r\n")
    late = [connect() for _ in range(10)]

    assert [caller.request("/").status for caller in late] == [200] * 10
    # A response may arrive before the ends of the other connections.
    time.sleep(0.5)
    ended, _, _ = select.select([caller.socket for caller in first], [], [], 0)
    assert len(ended) == len(late)
