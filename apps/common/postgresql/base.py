"""The database backend that settings name by this package."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that asks its socket before it asks the server.

    A kept connection is checked before its first use in every request and task. Django's check is
    a statement, and so a round trip for each. A server that ended the connection has said so, or
    closed it: then the socket has something to read. While it has nothing, the connection is as
    good as a check would find it.
    """

    def is_usable(self) -> bool:
        """Tell whether the connection can be used; a statement only where there is doubt."""
        if self._socket_is_quiet():
            return True
        return super().is_usable()

    def _socket_is_quiet(self) -> bool:
        raw = self.connection
        if raw is None or raw.closed or raw.broken:
            return False
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN | select.POLLPRI)
        return not poll.poll(0)
