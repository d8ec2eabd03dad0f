"""The database backend; the setting ``ENGINE`` names its package."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that checks its socket before it sends a statement to the server.

    Django checks a persistent connection before its first use in every request and task. Its check
    is a statement, which costs a round trip each time. If the server has ended the connection, it
    has sent a message or closed the socket, so the socket is readable. If the socket is not
    readable, a statement would also find the connection usable.
    """

    def is_usable(self) -> bool:
        """Return whether the connection can be used; send a statement only if it is in doubt."""
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
