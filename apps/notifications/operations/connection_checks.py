"""Whether PostgreSQL can hold the connections of all processes (``check --database default``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, connections

# Every process beats over a connection of its own, for as long as a beat takes.
HEARTBEAT = 1
# Scheduler and dead-letter recorder have one each.
SINGLE_PROCESSES = 2
# Commands, migrations, a person with psql, and the new processes of a deployment by rolling.
RESERVE = 5

# What the server, the database and the role allow; -1 is no limit.
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
    """How many processes there are.

    Attributes:
        web: Web processes.
        threads: Threads of each that answer requests.
        email: Processes that deliver normal and bulk mail; with none there is no urgent one.
        push: The same for push.
    """

    web: int
    threads: int
    email: int
    push: int

    @property
    def connections(self) -> int:
        """The most connections to PostgreSQL that they hold at once.

        A thread of the web keeps one, and so does a process that delivers. Publishing and what a
        chunk sends side by side need none.
        """
        web = self.web * (self.threads + HEARTBEAT)
        workers = sum(
            # The urgent lane's process, and the parents of both.
            count + 1 + 2 * HEARTBEAT
            for count in (self.email, self.push)
            if count
        )
        return web + workers + SINGLE_PROCESSES * (1 + HEARTBEAT)


@register(Tags.database)
def postgresql_holds_the_processes(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn where the configured processes want more connections than they are allowed."""
    processes = Processes(
        web=settings.WEB_PROCESSES,
        threads=settings.WEB_THREADS + settings.WEB_LARGE_BODY_THREADS,
        email=settings.EMAIL_WORKERS,
        push=settings.PUSH_WORKERS,
    )
    found: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor != "postgresql" or settings.EMBEDDED:
            continue
        try:
            allowed = _allowed(alias)
        except DatabaseError:
            continue  # A database that is away is said by other means.
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
            "Raise max_connections, lower WEB_PROCESSES, EMAIL_WORKERS or PUSH_WORKERS, or put a "
            "pooler in between; docs/scaling.md has the arithmetic."
        ),
        id="notifications.W002",
    )
