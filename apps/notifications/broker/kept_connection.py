"""A long-lived broker connection for a process that queries the broker twice a second."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from celery import current_app
from django.db import Error
from kombu import Connection


class KeptConnection:
    """Keeps a connection open between uses, and replaces it after a failed use.

    Each instance belongs to one thread. A new connection for each use meant two new connections per
    second for the broker.
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Provide the connection. It may be unopened: its first operation opens it."""
        if self._connection is None:
            self._connection = current_app.connection_for_write()
        try:
            yield self._connection
        except Error:
            # The database failed, not the broker, so the connection is kept.
            raise
        except BaseException:
            self.close()
            raise

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
