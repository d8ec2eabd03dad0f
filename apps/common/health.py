"""Probes of what the process depends on, each timed and each unable to raise."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog
from celery import current_app
from django.core.cache import cache, caches
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

log = structlog.get_logger(__name__)


class Health(StrEnum):
    """How a dependency does. Only ``unavailable`` makes the process unfit for requests."""

    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class Row:
    """The outcome of one probe.

    Attributes:
        latency_ms: How long the probe took.
    """

    name: str
    status: Health
    detail: str
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One question about a dependency.

    Attributes:
        ask: Returns words that describe a good state, or raises.
        required: Without it no request can be answered.
    """

    name: str
    ask: Callable[[], str]
    required: bool = False

    def run(self) -> Row:
        """Ask, and turn whatever happens into a row."""
        started = time.perf_counter()
        status, detail = Health.OK, ""
        try:
            detail = self.ask()
        except Exception as error:  # noqa: BLE001 - every failure of a dependency is an answer here.
            status = Health.UNAVAILABLE if self.required else Health.DEGRADED
            detail = str(error) if isinstance(error, ProbeFailed) else type(error).__name__
        milliseconds = (time.perf_counter() - started) * 1000
        return Row(name=self.name, status=status, detail=detail, latency_ms=round(milliseconds, 1))


class ProbeFailed(Exception):  # noqa: N818 - a state that a probe found, said in its message.
    """A probe reached its dependency and did not like what it saw."""


def ask_database() -> str:
    """Run the smallest query."""
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return connection.vendor


def ask_migrations() -> str:
    """Compare the migrations in the code with those in the database."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise ProbeFailed(f"{len(missing)} migrations have not been applied")
    return "all applied"


def ask_cache() -> str:
    """Write and read one key."""
    cache.set("health", "ok", 10)
    if cache.get("health") != "ok":
        raise ProbeFailed("what was written could not be read")
    return type(caches["default"]).__name__


def ask_broker() -> str:
    """Open a connection, or use one that is open."""
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0)
        return str(broker.transport_cls)


PROBES = (
    Probe(name="database", ask=ask_database, required=True),
    Probe(name="migrations", ask=ask_migrations, required=True),
    Probe(name="cache", ask=ask_cache),
    Probe(name="broker", ask=ask_broker),
)


def overall(rows: list[Row]) -> Health:
    """Return the worst of the rows."""
    order = list(Health)
    return max((row.status for row in rows), key=order.index, default=Health.OK)
