"""One deadline for a whole provider call, independent of the number of waits in it.

A socket's own timeout restarts with each received piece, so a server that sends a byte now and then
can keep a call open without limit. Here the end of the call is set once for its thread, and every
wait of a socket opened by ``connect`` gets the remaining time as its timeout.
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
# An entry of ``socket.getaddrinfo``: family, type, protocol, name, address.
Address = tuple[int, int, int, str, Any]
Resolve = Callable[[str, int], Sequence[Address]]

# A wait may end this much after the deadline.
SLACK_SECONDS = 0.05
# The number of reads of already received data that are allowed after the deadline. A process that
# was suspended for a minute finds the reply in the buffer, and must not treat an answered mail as
# unanswered.
LATE_READS = 16
TIME_IS_OVER = "The time for this call is over."


class _Now(threading.local):
    """The deadline of this thread.

    Attributes:
        ends_at: When it ends, in seconds of ``clock``; None without a deadline.
        clock: Returns monotonic seconds.
        late_reads: The number of reads still allowed after the deadline.
    """

    ends_at: float | None = None
    clock: Clock = staticmethod(time.monotonic)
    late_reads: int = LATE_READS


_now = _Now()


class deadline:  # noqa: N801 - used as a function; a generator took three times as long.
    """Set a deadline for all network operations of this thread inside the block.

    Inside another deadline the earlier end applies.

    Args:
        seconds: The time from now.
        clock: Returns monotonic seconds; by default the clock of the outer deadline or of this
            machine.
    """

    __slots__ = ("_clock", "_outer", "_seconds")

    def __init__(self, seconds: float, *, clock: Clock | None = None) -> None:
        self._seconds = seconds
        self._clock = clock

    def __enter__(self) -> None:
        """Start the deadline."""
        outer_end, outer_clock = self._outer = _now.ends_at, _now.clock
        clock = self._clock or outer_clock
        seconds = self._seconds
        if outer_end is not None:
            seconds = min(seconds, outer_end - outer_clock())
        _now.ends_at, _now.clock, _now.late_reads = clock() + seconds, clock, LATE_READS

    def __exit__(self, *_: object) -> None:
        """Restore the outer deadline."""
        _now.ends_at, _now.clock = self._outer


def seconds_left() -> float | None:
    """Return the seconds until this thread's deadline; None without a deadline.

    Raises:
        TimeoutError: The deadline is over.
    """
    ends_at = _now.ends_at
    if ends_at is None:
        return None
    left = ends_at - _now.clock()
    if left <= 0:
        raise TimeoutError(TIME_IS_OVER)
    return left


def _limit(sock: socket.socket) -> None:
    """Set the remaining time as the timeout of a socket's next wait.

    Each change is a system call. A timeout that is too long by at most ``SLACK_SECONDS`` is kept,
    so that a call with a fast reply makes one change and not eight.
    """
    left = seconds_left()
    if left is None:
        return
    limit = sock.gettimeout()
    if limit is None or not left <= limit <= left + SLACK_SECONDS:
        sock.settimeout(left)


def _limit_read(sock: socket.socket) -> None:
    """Set the timeout of a read. After the deadline, data that is already received can be read."""
    try:
        _limit(sock)
    except TimeoutError:
        if not _now.late_reads:
            raise
        _now.late_reads -= 1
        sock.settimeout(0)


class BoundedSocket(socket.socket):
    """A socket whose waits end at the deadline of the thread that uses it.

    The timeout of ``sendall`` covers all pieces together, so no loop is needed here.
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
    """The same for TLS. Its other methods call these. ``bound_tls`` creates these sockets."""

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
    """Make a context create sockets that respect the deadline, and return it."""
    context.sslsocket_class = BoundedTlsSocket
    return context


def resolve_by_system(host: str, port: int) -> Sequence[Address]:
    """Resolve a host's addresses with the system's resolver, which has no time limit."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def connect(
    host: str,
    port: int,
    *,
    resolve: Resolve = resolve_by_system,
    options: Sequence[tuple[int, int, int | bytes]] = (),
) -> BoundedSocket:
    """Resolve a host name and connect to the first of its addresses that answers.

    Each address gets an equal share of the remaining time, so that an address that drops packets
    leaves time for the next ones.

    Args:
        host: A host name or an address.
        port: The port.
        resolve: Resolves host names.
        options: Socket options to set before the connection is opened.

    Raises:
        TimeoutError: The deadline was over, or the last address did not answer.
        OSError: The name does not exist (``socket.gaierror``), or no address answered.
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
    """A name look-up that runs in a separate thread."""

    ended: threading.Event = field(default_factory=threading.Event)
    addresses: Sequence[Address] = ()
    error: Exception | None = None


# The look-ups in progress. Concurrent calls for the same name share one, so that an unreachable
# name server occupies one thread for each name and not one for each call.
_look_ups: dict[tuple[str, int, Resolve], _LookUp] = {}
_look_ups_lock = threading.Lock()


def _looked_up(host: str, port: int, resolve: Resolve) -> Sequence[Address]:
    """Resolve a name in another thread, which is abandoned when the deadline is over.

    The system's resolver has no timeout that a caller can set.
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
    except RuntimeError as error:  # The system cannot start another thread.
        with _look_ups_lock:
            _look_ups.pop(key, None)
        look_up.error = OSError(f"{key[0]} was not looked up: {error}")
        look_up.ended.set()


def _make(key: tuple[str, int, Resolve], look_up: _LookUp) -> None:
    host, port, resolve = key
    try:
        look_up.addresses = resolve(host, port)
    except Exception as error:  # noqa: BLE001 - raised again in the thread that waits.
        look_up.error = error
    finally:
        with _look_ups_lock:
            _look_ups.pop(key, None)
        look_up.ended.set()


def _forget_after_fork() -> None:
    """Reset the look-ups in a child process, which does not inherit the parent's threads."""
    global _look_ups_lock  # noqa: PLW0603 - another thread of the parent may have held it.
    _look_ups_lock = threading.Lock()
    _look_ups.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
