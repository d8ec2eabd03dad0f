"""A broker connection that is kept between the rounds of a process while rounds need it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from celery import current_app
from django.db import Error
from kombu import Connection

# The broker ends a connection from which it has heard nothing for twice the heartbeat of 10 s, and
# the next use of it would fail. No thread sends heartbeats between uses.
IDLE_SECONDS = 5.0


class KeptConnection:
    """Keeps a connection open between uses, and replaces it after a failed use.

    Each instance belongs to one thread. A new connection for each use meant two new connections per
    second for the broker.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection: Connection | None = None
        self._clock = clock
        self._used_at = 0.0

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Provide the connection. It may be unopened: its first operation opens it."""
        if self._connection is None:
            self._connection = current_app.connection_for_write()
        self._used_at = self._clock()
        try:
            yield self._connection
        except Error:
            # The database failed, not the broker, so the connection is kept.
            raise
        except BaseException:
            self.close()
            raise

    def close_idle(self) -> None:
        """Close the connection if it was not used lately; call it between uses."""
        if self._connection is not None and self._clock() - self._used_at >= IDLE_SECONDS:
            self.close()

    def close(self) -> None:
        """Close the connection if there is one; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # The closing handshake fails on a broken connection, and that has no consequence.
            with suppress(Exception):
                connection.release()


@contextmanager
def use(kept: KeptConnection | None) -> Iterator[Connection]:
    """Provide the kept connection, or a new one for this use only if none is given."""
    if kept is not None:
        with kept.use() as connection:
            yield connection
        return
    with current_app.connection_for_write() as connection:
        yield connection
