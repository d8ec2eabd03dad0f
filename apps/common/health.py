"""Health probes for the dependencies of the process. A probe is timed and never raises."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import ModuleInfo, iter_modules
from typing import Any

import structlog
from celery import current_app
from django.apps import apps
from django.core.cache import cache as default_cache
from django.core.cache import caches
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from apps.common.masking import masked_first_line

log = structlog.get_logger(__name__)


TIME_LIMIT = "SELECT current_setting('statement_timeout')"
NO_TIME_LIMIT = (
    "statements have no time limit: ALTER DATABASE ... SET statement_timeout = '15s' "
    "(docs/deployment.md, PgBouncer)"
)


class Health(StrEnum):
    """State of a dependency. Only ``unavailable`` means that the process cannot serve requests."""

    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class Row:
    """The result of one probe.

    Attributes:
        detail: What anybody may read: of an error only its class.
        latency_ms: How long the probe took, in milliseconds.
        said: What the server said about it, with names of hosts and roles, for operators.
    """

    name: str
    status: Health
    detail: str
    latency_ms: float
    said: str = ""

    def public(self) -> dict[str, Any]:
        """Return what anybody may read."""
        return {
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "latency_ms": self.latency_ms,
        }


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A check of one dependency.

    Attributes:
        check: Returns a text that describes the healthy state, or raises.
        required: Whether no request can be served without the dependency.
    """

    name: str
    check: Callable[[], str]
    required: bool = False

    def run(self) -> Row:
        """Run the check and turn its result or its exception into a row."""
        started = time.perf_counter()
        status, detail, said = Health.OK, "", ""
        try:
            detail = self.check()
        except Exception as error:  # noqa: BLE001 - every failure of a dependency is a result here.
            status = Health.UNAVAILABLE if self.required else Health.DEGRADED
            detail = str(error) if isinstance(error, ProbeFailed) else type(error).__name__
            # The server's own words say what to do: a wrong password, a refused port.
            said = "" if isinstance(error, ProbeFailed) else masked_first_line(error)
        milliseconds = (time.perf_counter() - started) * 1000
        return Row(
            name=self.name,
            status=status,
            detail=detail,
            latency_ms=round(milliseconds, 1),
            said=said,
        )


class ProbeFailed(Exception):  # noqa: N818 - its message describes the state of the dependency.
    """A probe reached its dependency and found it in a bad state."""


def check_database() -> str:
    """Run the smallest query, and say if PostgreSQL gives no time limit to statements.

    The limit is missing behind a pooler that refuses or ignores it, if the database sets none.
    """
    connection.close_if_unusable_or_obsolete()
    on_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(TIME_LIMIT if on_postgresql else "SELECT '-'")
        ((limit,),) = cursor.fetchall()
    if limit != "0":
        return connection.vendor
    return f"{connection.vendor}; {NO_TIME_LIMIT}"


def check_migrations() -> str:
    """Compare the migrations in the code with those in the database.

    Raises:
        ProbeFailed: Some migrations have not been applied.
    """
    missing = shipped_migrations() - MigrationRecorder(connection).applied_migrations().keys()
    if missing:
        raise ProbeFailed(f"{len(missing)} migrations have not been applied")
    return "all applied"


@cache
def shipped_migrations() -> frozenset[tuple[str, str]]:
    """Return the app and the name of each migration in the code, read from the names of files.

    ``migrate`` records every one of them, a squashed one as well as those that it replaces. To load
    them and their graph, as ``migrate`` does, takes 20 to 60 ms of processor time.
    """
    return frozenset(
        (config.label, module.name)
        for config in apps.get_app_configs()
        for module in _modules_of(config.label)
        if not module.ispkg and module.name[0] not in "_~"
    )


def _modules_of(app_label: str) -> list[ModuleInfo]:
    name, _ = MigrationLoader.migrations_module(app_label)
    if name is None or find_spec(name) is None:
        return []
    return list(iter_modules(import_module(name).__path__))


def check_cache() -> str:
    """Write and read one key.

    Raises:
        ProbeFailed: The value that was read is not the one that was written.
    """
    default_cache.set("health", "ok", 10)
    if default_cache.get("health") != "ok":
        raise ProbeFailed("what was written could not be read")
    return type(caches["default"]).__name__


def check_broker() -> str:
    """Open a connection to the broker, or use an open one."""
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0)
        return str(broker.transport_cls)


PROBES = (
    Probe(name="database", check=check_database, required=True),
    Probe(name="migrations", check=check_migrations, required=True),
    Probe(name="cache", check=check_cache),
    Probe(name="broker", check=check_broker),
)


def overall(rows: list[Row]) -> Health:
    """Return the worst status of the rows."""
    order = list(Health)
    return max((row.status for row in rows), key=order.index, default=Health.OK)
