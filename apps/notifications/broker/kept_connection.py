"""A broker connection of a process that asks the broker twice a second, for as long as it runs."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from celery import current_app
from django.db import Error
from kombu import Connection


class KeptConnection:
    """Keeps a connection between uses, and replaces it after a use that failed.

    Belongs to one thread. Opening one for each use cost the broker two connections a second.
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Lend the connection; whoever uses it opens it, as with a new one of Celery's."""
        if self._connection is None:
            self._connection = current_app.connection_for_write()
        try:
            yield self._connection
        except Error:
            # The database failed, which says nothing about the broker.
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection if there is one; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Saying goodbye over a connection that is broken fails, and matters to nobody.
            with suppress(Exception):
                connection.release()


@contextmanager
def use(kept: KeptConnection | None) -> Iterator[Connection]:
    """Lend a kept connection, or one for this use alone where none is kept."""
    if kept is not None:
        with kept.use() as connection:
            yield connection
        return
    with current_app.connection_for_write() as connection:
        yield connection
