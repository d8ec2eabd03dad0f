"""The deadline of a call: who sets it, what it ends, and how addresses share the time."""

import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from apps.notifications.providers.deadline import (
    LATE_READS,
    Address,
    connect,
    deadline,
    seconds_left,
)
from tests.fakes.silent_server import SilentServer, swallowing_address


class Clock:
    """A clock that only moves when a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with SilentServer() as server:
        yield server


def row(where: tuple[str, int]) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", where)


def test_without_a_deadline_the_time_is_unlimited() -> None:
    assert seconds_left() is None


def test_a_deadline_uses_the_given_clock(clock: Clock) -> None:
    with deadline(10.0, clock=clock):
        clock.now += 4.0
        assert seconds_left() == pytest.approx(6.0)


def test_after_the_deadline_no_operation_begins(clock: Clock, silent: SilentServer) -> None:
    with deadline(10.0, clock=clock):
        sock = connect(silent.host, silent.port)
        clock.now += 10.0
        with sock:
            for begin in (
                lambda: sock.recv(1),
                lambda: sock.send(b"a"),
                lambda: sock.sendall(b"a"),
            ):
                with pytest.raises(TimeoutError):
                    begin()
        with pytest.raises(TimeoutError):
            connect(silent.host, silent.port)


@pytest.fixture
def peers(clock: Clock) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection with a deadline of ten seconds."""
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    with listener, deadline(10.0, clock=clock), connect(host, port) as ours:
        theirs, _ = listener.accept()
        with theirs:
            yield ours, theirs


def arrived(sock: socket.socket, count: int) -> None:
    """Wait until at least ``count`` bytes can be read."""
    while len(socket.socket.recv(sock, 10_000, socket.MSG_PEEK)) < count:
        pass


def test_data_that_arrived_in_time_is_read_even_after_a_suspension(
    clock: Clock, peers: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = peers
    theirs.sendall(b"250 Ok\r\n")
    arrived(ours, 8)
    clock.now += 70.0

    assert ours.recv(100) == b"250 Ok\r\n"
    with pytest.raises(TimeoutError):
        ours.recv(100)
    with pytest.raises(TimeoutError):
        ours.send(b"a")


def test_a_peer_that_keeps_sending_does_not_prolong_a_call(
    clock: Clock, peers: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = peers
    theirs.sendall(b"a" * 1000)
    arrived(ours, 1000)
    clock.now += 70.0

    assert ours.recv_into(bytearray(1)) == 1
    for _ in range(LATE_READS - 1):
        ours.recv(1)
    with pytest.raises(TimeoutError):
        ours.recv(1)


def test_each_operation_has_the_time_that_earlier_ones_left(
    clock: Clock, silent: SilentServer
) -> None:
    with deadline(10.0, clock=clock), connect(silent.host, silent.port) as sock:
        sock.send(b"a")
        first = sock.gettimeout()
        clock.now += 7.0
        sock.send(b"a")

        assert first == pytest.approx(10.0)
        assert sock.gettimeout() == pytest.approx(3.0)


@pytest.mark.parametrize(("outer", "inner", "left"), [(10.0, 3.0, 3.0), (3.0, 10.0, 3.0)])
def test_of_two_deadlines_the_earlier_counts(
    clock: Clock, outer: float, inner: float, left: float
) -> None:
    with deadline(outer, clock=clock):
        with deadline(inner):
            assert seconds_left() == pytest.approx(left)
        assert seconds_left() == pytest.approx(outer)


def test_a_deadline_applies_to_its_own_thread_only(clock: Clock) -> None:
    seen: list[float | None] = []
    with deadline(10.0, clock=clock):
        thread = threading.Thread(target=lambda: seen.append(seconds_left()))
        thread.start()
        thread.join()

    assert seen == [None]


def test_an_address_that_drops_packets_leaves_time_for_the_next(silent: SilentServer) -> None:
    with swallowing_address() as swallowing:

        def resolve(_: str, __: int) -> Sequence[Address]:
            return [row(swallowing), row((silent.host, silent.port))]

        with deadline(2.0), connect("two.example", 25, resolve=resolve) as sock:
            left = seconds_left()
            assert sock.getpeername() == (silent.host, silent.port)

    # The first of two addresses may use half of the time.
    assert left is not None
    assert left > 0


def test_when_every_address_drops_packets_the_call_times_out() -> None:
    with swallowing_address() as swallowing, deadline(0.3), pytest.raises(TimeoutError):
        connect("one.example", 25, resolve=lambda _, __: [row(swallowing)])


def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(OSError, match=r"none\.example"):
        connect("none.example", 25, resolve=lambda _, __: [])


def test_an_error_of_the_dns_lookup_is_raised_to_the_caller() -> None:
    def resolve(_: str, __: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with deadline(5.0), pytest.raises(socket.gaierror):
        connect("none.example", 25, resolve=resolve)


def test_a_hanging_dns_lookup_times_out_and_is_shared_by_later_callers() -> None:
    answer = threading.Event()
    asked: list[str] = []

    def resolve(host: str, _: int) -> Sequence[Address]:
        asked.append(host)
        answer.wait(timeout=30)
        return []

    for _ in range(3):
        with deadline(0.1), pytest.raises(TimeoutError):
            connect("slow.example", 25, resolve=resolve)
    answer.set()

    assert asked == ["slow.example"]
