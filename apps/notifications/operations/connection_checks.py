"""Check that PostgreSQL allows the connections of all processes (``check --database default``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, connections

# Every process opens a separate connection for the duration of each heartbeat.
HEARTBEAT = 1
# The scheduler and the dead-letter recorder have one connection each.
SINGLE_PROCESSES = 2
# For commands, migrations, an operator with psql, and new processes of a rolling deployment.
RESERVE = 5

# The connection limits of the server, the database and the role; -1 means no limit.
LIMITS = """
SELECT
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int,
    (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
    (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)
"""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The number of processes.

    Attributes:
        web: Web processes.
        threads: Request threads of each web process.
        email: Worker processes for normal and bulk mail. With 0 there is no urgent one either.
        push: The same for push.
        webhooks: Worker processes for the webhooks.
    """

    web: int
    threads: int
    email: int
    push: int
    webhooks: int

    @property
    def connections(self) -> int:
        """The maximum number of concurrent PostgreSQL connections.

        Each web thread keeps one, and so does each worker process. Publishing, the provider calls
        of a chunk and the calls of webhooks need none.
        """
        web = self.web * (self.threads + HEARTBEAT)
        workers = sum(
            # One more for the urgent lane's process, and the heartbeats of both parents.
            count + 1 + 2 * HEARTBEAT
            for count in (self.email, self.push)
            if count
        )
        if self.webhooks:
            workers += self.webhooks + HEARTBEAT
        return web + workers + SINGLE_PROCESSES * (1 + HEARTBEAT)


@register(Tags.database)
def postgresql_holds_the_processes(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn if the configured processes need more connections than PostgreSQL allows."""
    processes = Processes(
        web=settings.WEB_PROCESSES,
        threads=settings.WEB_THREADS + settings.WEB_LARGE_BODY_THREADS,
        email=settings.EMAIL_WORKERS,
        push=settings.PUSH_WORKERS,
        webhooks=settings.WEBHOOK_WORKERS,
    )
    found: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor != "postgresql" or settings.EMBEDDED:
            continue
        try:
            allowed = _allowed(alias)
        except DatabaseError:
            continue  # Other checks report an unavailable database.
        wanted = processes.connections + RESERVE
        if wanted > allowed:
            found.append(_warning(wanted, allowed))
    return found


def _allowed(alias: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute(LIMITS)
        return int(min(limit for limit in cursor.fetchone() if limit >= 0))


def _warning(wanted: int, allowed: int) -> CheckWarning:
    return CheckWarning(
        f"The processes may want {wanted} connections to PostgreSQL, which allows {allowed}.",
        hint=(
            "Raise max_connections, lower WEB_PROCESSES, EMAIL_WORKERS, PUSH_WORKERS or "
            "WEBHOOK_WORKERS, or put a pooler in between; docs/scaling.md has the arithmetic."
        ),
        id="notifications.W002",
    )
