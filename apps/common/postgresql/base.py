"""The database backend; the setting ``ENGINE`` names its package."""

import re
import select
from typing import Any

import psycopg
import structlog
from django.db.backends.postgresql import base
from psycopg.types.datetime import TimestamptzLoader

log = structlog.get_logger(__name__)

# What PgBouncer and RDS Proxy answer to the parameter ``options``, which sets our time limit of
# statements.
REFUSED_OPTIONS = re.compile("unsupported startup parameter|command-line options")


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that checks its socket first, and that works through PgBouncer.

    Django checks a persistent connection before its first use in every request and task. Its check
    is a statement, which costs a round trip each time. If the server has ended the connection, it
    has sent a message or closed the socket, so the socket is readable. If the socket is not
    readable, a statement would also find the connection usable.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a connection; without ``options`` if a pooler refuses them.

        The pooler gives each transaction another connection of its own, so a time limit that is set
        once for each connection would be lost. It has to be one of the database: see
        ``docs/deployment.md``.
        """
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError as error:
            if not REFUSED_OPTIONS.search(str(error)) or "options" not in conn_params:
                raise
        self._use_a_pooler()
        return super().get_new_connection(
            {name: value for name, value in conn_params.items() if name != "options"}
        )

    def create_cursor(self, name: str | None = None) -> Any:
        """Open a cursor that reads times by psycopg's own loader, which is written in C.

        Django's is written in Python, and took a twentieth of a delivery worker's time. The only
        difference: in a session with another time zone than UTC, Django would call its times UTC,
        and this loader gives them their zone.
        """
        cursor = super().create_cursor(name)
        cursor.adapters.register_loader(base.TIMESTAMPTZ_OID, TimestamptzLoader)
        return cursor

    def _use_a_pooler(self) -> None:
        """Give no options to the next connections of this process, and read without cursors."""
        # All threads share this dictionary. A cursor of the server ends with its transaction.
        self.settings_dict["OPTIONS"].pop("options", None)
        self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
        log.warning(
            "a pooler refuses the time limit of statements, so the database must set one: "
            "ALTER DATABASE ... SET statement_timeout = '15s'"
        )

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
