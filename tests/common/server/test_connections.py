"""What a connection may ask, how often, and how long it is kept."""

import select
import socket
import time
from collections.abc import Callable

import pytest

from tests.common.server.conftest import Caller
from tests.common.server.echo import CONNECTIONS, HEAD_BYTES, LONG, WHOLE, line

Connect = Callable[[], Caller]
GET = b"GET /%d HTTP/1.1\r\nHost: here\r\n\r\n"


def test_requests_that_do_not_wait_are_answered_in_turn(caller: Caller) -> None:
    body = b"POST /4 HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\na"
    caller.send(GET % 1 + GET % 2 + GET % 3 + body)

    assert [caller.answer().body["PATH_INFO"] for _ in "123"] == ["/1", "/2", "/3"]
    caller.send(b"bc" + GET % 5)
    assert (caller.answer().body["length"], caller.answer().body["PATH_INFO"]) == (3, "/5")


def test_what_comes_of_a_second_request_while_the_first_is_worked_on_has_its_time(
    caller: Caller,
) -> None:
    caller.send(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n", b"POST / HTTP/1.1\r\nHost: here\r\n")
    caller.send(b"Content-Length: 3\r\n\r\na")

    assert caller.answer().body == {"slow": True}
    assert caller.answer().status == 408


def test_a_client_that_has_said_all_reads_its_answer(caller: Caller) -> None:
    caller.send(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
    caller.socket.shutdown(socket.SHUT_WR)

    assert caller.answer().body == {"slow": True}
    assert caller.closed()


def test_a_client_that_has_said_more_than_one_thing_reads_all_answers(caller: Caller) -> None:
    caller.send(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n", GET % 2)
    caller.socket.shutdown(socket.SHUT_WR)

    assert caller.answer().body == {"slow": True}
    assert caller.answer().body["PATH_INFO"] == "/2"
    assert caller.closed()


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(caller: Caller) -> None:
    caller.head("/", "Content-Length: 3", "Expect: 100-continue")

    assert caller.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.send(b"abc")
    assert caller.answer().body["length"] == 3


def test_a_client_that_asks_before_it_sends_too_much_is_refused(caller: Caller) -> None:
    caller.head("/", f"Content-Length: {WHOLE + 1}", "Expect: 100-continue")

    assert caller.answer().status == 413


def test_a_client_that_does_not_stop_sending_reads_its_refusal(caller: Caller) -> None:
    caller.head("/", f"Content-Length: {100 * WHOLE}")
    for _ in range(50):
        caller.send(b"x" * WHOLE)

    assert caller.answer().status == 413


def test_an_old_client_gets_an_answer_and_the_end_of_the_connection(caller: Caller) -> None:
    caller.send(b"GET / HTTP/1.0\r\n\r\n")

    answer = caller.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert caller.closed()


def test_a_client_that_would_speak_another_protocol_is_answered_in_this_one(caller: Caller) -> None:
    answer = caller.asked("/", "Connection: Upgrade", "Upgrade: h2c")

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
def test_a_head_that_two_servers_could_read_differently_is_refused(
    caller: Caller, head: bytes
) -> None:
    caller.send(head)

    assert caller.answer().status == 400
    assert caller.closed()


def test_a_head_that_cannot_be_read_is_refused_by_a_problem(caller: Caller) -> None:
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


def test_a_header_that_does_not_end_is_refused(caller: Caller) -> None:
    caller.send(b"GET / HTTP/1.1\r\nHost: here\r\nX: ")
    for _ in range(20):
        caller.send(b"x" * (HEAD_BYTES // 10))
        time.sleep(0.01)

    assert caller.answer().status == 431


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: here\r\n", GET % 1])
def test_a_connection_on_which_nothing_is_asked_ends(caller: Caller, said: bytes) -> None:
    caller.send(said)
    if said == GET % 1:
        assert caller.answer().status == 200

    assert caller.closed()


def test_an_answer_that_nobody_takes_is_not_kept_for_ever(caller: Caller) -> None:
    caller.head("/long", method="GET")
    time.sleep(12)

    # What is on its way is not thrown away by the network.
    came = 0
    while piece := caller.socket.recv(1024 * 1024):
        came += len(piece)
    assert came < sum(len(line(number)) * 100_000 for number in range(LONG))


def test_strangers_who_ask_nothing_push_each_other_out(connect: Connect) -> None:
    first = [connect() for _ in range(CONNECTIONS)]
    for caller in first:
        caller.send(b"GET / HTTP/1.1\r\n")
    late = [connect() for _ in range(10)]

    assert [caller.asked("/").status for caller in late] == [200] * 10
    # Answers may come before the ends of connections.
    time.sleep(0.5)
    ended, _, _ = select.select([caller.socket for caller in first], [], [], 0)
    assert len(ended) == len(late)
