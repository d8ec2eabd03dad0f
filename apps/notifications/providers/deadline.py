"""One deadline for all of a call on the wire, however many waits it is made of.

A socket's own time limit begins anew with each piece that arrives, so a server that sends a byte
now and then holds a call for as long as it likes. Here the end of the call is set once for the
thread that makes it, and every wait of a socket that ``connect`` opened gets what is left.
"""

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Clock = Callable[[], float]
# A row of ``socket.getaddrinfo``: family, type, protocol, name, address.
Address = tuple[int, int, int, str, Any]
Resolve = Callable[[str, int], Sequence[Address]]

# A wait may end this much after the deadline.
SLACK_SECONDS = 0.05
# So many pieces that have come already may still be read when the time is over. A process that was
# stopped for a minute finds the answer there, and must not take a mail for unanswered that was.
LATE_READS = 16
TIME_IS_OVER = "The time for this call is over."


class _Now(threading.local):
    """The deadline of this thread: when it ends (None where there is none), by which clock.

    Attributes:
        late_reads: Pieces that may still be read when it is over.
    """

    ends_at: float | None = None
    clock: Clock = staticmethod(time.monotonic)
    late_reads: int = LATE_READS


_now = _Now()


class deadline:  # noqa: N801 - used as a function; a generator took three times as long.
    """Set the end of everything that this thread does on the wire inside of the block.

    Inside of another deadline the earlier end counts.

    Args:
        seconds: From now.
        clock: Monotonic seconds; by default the outer deadline's, or this machine's.
    """

    __slots__ = ("_clock", "_outer", "_seconds")

    def __init__(self, seconds: float, *, clock: Clock | None = None) -> None:
        self._seconds = seconds
        self._clock = clock

    def __enter__(self) -> None:
        """Begin."""
        outer_end, outer_clock = self._outer = _now.ends_at, _now.clock
        clock = self._clock or outer_clock
        seconds = self._seconds
        if outer_end is not None:
            seconds = min(seconds, outer_end - outer_clock())
        _now.ends_at, _now.clock, _now.late_reads = clock() + seconds, clock, LATE_READS

    def __exit__(self, *_: object) -> None:
        """Return to the outer deadline."""
        _now.ends_at, _now.clock = self._outer


def seconds_left() -> float | None:
    """Return what is left of this thread's deadline; None where it has none.

    Raises:
        TimeoutError: Nothing is left.
    """
    ends_at = _now.ends_at
    if ends_at is None:
        return None
    left = ends_at - _now.clock()
    if left <= 0:
        raise TimeoutError(TIME_IS_OVER)
    return left


def _limit(sock: socket.socket) -> None:
    """Give the next wait of a socket what is left.

    Each change is a system call. A limit that is a moment too long is left as it is, so that a
    call that is answered at once makes one change and not eight.
    """
    left = seconds_left()
    if left is None:
        return
    limit = sock.gettimeout()
    if limit is None or not left <= limit <= left + SLACK_SECONDS:
        sock.settimeout(left)


def _limit_read(sock: socket.socket) -> None:
    """The same for a read, which gets what is there already also when nothing is left."""
    try:
        _limit(sock)
    except TimeoutError:
        if not _now.late_reads:
            raise
        _now.late_reads -= 1
        sock.settimeout(0)


class BoundedSocket(socket.socket):
    """A socket whose waits end at the deadline of the thread that uses it.

    ``sendall`` counts its time limit once for all pieces, so it needs no loop of its own.
    """

    def connect(self, address: Any, /) -> None:
        """As ``socket.socket``."""
        _limit(self)
        super().connect(address)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As ``socket.socket``."""
        _limit_read(self)
        try:
            return super().recv(size, flags)
        except BlockingIOError:
            raise TimeoutError(TIME_IS_OVER) from None

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As ``socket.socket``."""
        _limit_read(self)
        try:
            return super().recv_into(buffer, nbytes, flags)
        except BlockingIOError:
            raise TimeoutError(TIME_IS_OVER) from None

    def send(self, data: Any, flags: int = 0, /) -> int:
        """As ``socket.socket``."""
        _limit(self)
        return super().send(data, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As ``socket.socket``."""
        _limit(self)
        super().sendall(data, flags)


class BoundedTlsSocket(ssl.SSLSocket):
    """The same for TLS, whose other methods come down to these. Made by ``bound_tls``."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the base's own.
        """As ``ssl.SSLSocket``."""
        _limit(self)
        super().do_handshake(block)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the base's own.
        """As ``ssl.SSLSocket``."""
        _limit_read(self)
        try:
            return super().read(len, buffer)
        except ssl.SSLWantReadError:
            raise TimeoutError(TIME_IS_OVER) from None

    def send(self, data: Any, flags: int = 0) -> int:
        """As ``ssl.SSLSocket``, whose ``sendall`` calls this for each piece."""
        _limit(self)
        return super().send(data, flags)


def bound_tls(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context make sockets that end at the deadline, and return it."""
    context.sslsocket_class = BoundedTlsSocket
    return context


def resolve_by_system(host: str, port: int) -> Sequence[Address]:
    """Ask the system for the addresses of a host. This may take as long as it likes."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def connect(
    host: str,
    port: int,
    *,
    resolve: Resolve = resolve_by_system,
    options: Sequence[tuple[int, int, int | bytes]] = (),
) -> BoundedSocket:
    """Look a name up and connect to the first of its addresses that answers.

    Each address gets an equal share of the time that is left, so that one that swallows packets
    leaves something for those that follow.

    Args:
        host: A name or an address.
        port: The port.
        resolve: How names are looked up.
        options: Socket options to set before it connects.

    Raises:
        TimeoutError: The time of the call was over, or the last address did not answer.
        OSError: There is no such name (``socket.gaierror``), or nobody answered.
    """
    addresses = _looked_up(host, port, resolve)
    failure: OSError = OSError(f"{host} has no address.")
    for number, address in enumerate(addresses):
        left = seconds_left()
        share = None if left is None else left / (len(addresses) - number)
        try:
            with contextlib.nullcontext() if share is None else deadline(share):
                return _connected(address, options)
        except OSError as error:
            failure = error
    raise failure


def _connected(address: Address, options: Sequence[tuple[int, int, int | bytes]]) -> BoundedSocket:
    family, kind, protocol, _, where = address
    sock = BoundedSocket(family, kind, protocol)
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.connect(where)
    except BaseException:
        sock.close()
        raise
    return sock


@dataclass(slots=True)
class _LookUp:
    """A look-up that a thread of its own makes."""

    ended: threading.Event = field(default_factory=threading.Event)
    addresses: Sequence[Address] = ()
    error: Exception | None = None


# What is being looked up now. Who asks for the same name joins, so that a name server that is away
# costs one thread for each name and not one for each call.
_look_ups: dict[tuple[str, int, Resolve], _LookUp] = {}
_look_ups_lock = threading.Lock()


def _looked_up(host: str, port: int, resolve: Resolve) -> Sequence[Address]:
    """Look a name up in another thread, which is left behind when the time is over.

    The system's look-up has no time limit that a caller could set.
    """
    key = (host, port, resolve)
    with _look_ups_lock:
        look_up = _look_ups.get(key)
        begins = look_up is None
        if look_up is None:
            look_up = _look_ups[key] = _LookUp()
    if begins:
        _begin(key, look_up)
    if not look_up.ended.wait(seconds_left()):
        message = f"{host} was not looked up in time."
        raise TimeoutError(message)
    if look_up.error is not None:
        raise look_up.error
    return look_up.addresses


def _begin(key: tuple[str, int, Resolve], look_up: _LookUp) -> None:
    thread = threading.Thread(target=_make, args=(key, look_up), name="name-look-up", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # The system gives no more threads.
        with _look_ups_lock:
            _look_ups.pop(key, None)
        look_up.error = OSError(f"{key[0]} was not looked up: {error}")
        look_up.ended.set()


def _make(key: tuple[str, int, Resolve], look_up: _LookUp) -> None:
    host, port, resolve = key
    try:
        look_up.addresses = resolve(host, port)
    except Exception as error:  # noqa: BLE001 - raised again where the answer is awaited.
        look_up.error = error
    finally:
        with _look_ups_lock:
            _look_ups.pop(key, None)
        look_up.ended.set()


def _forget_after_fork() -> None:
    """Begin anew in a child: the threads that look names up are its parent's."""
    global _look_ups_lock  # noqa: PLW0603 - another thread of the parent may have held it.
    _look_ups_lock = threading.Lock()
    _look_ups.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
