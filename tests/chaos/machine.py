"""Describe the machine on which the figures were measured."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tests.chaos.servers.postgresql import Postgresql
from tests.chaos.servers.rabbitmq import Rabbitmq
from tests.chaos.servers.redis import RedisServer
from tests.journeys.processes import ROOT


class Servers(Protocol):
    """Anything with the three servers, as the environments of faults and benchmarks."""

    @property
    def postgresql(self) -> Postgresql:
        """The database."""

    @property
    def rabbitmq(self) -> Rabbitmq:
        """The broker."""

    @property
    def redis(self) -> RedisServer:
        """The cache."""


def described(servers: Servers, *, commit: str = "") -> str:
    """Name the commit, the cores, the memory and the versions in one sentence.

    Args:
        servers: The servers.
        commit: The commit that was run; empty for this checkout.
    """
    return (
        f"Commit {commit or _commit()}, {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores "
        f"({_processor()}), {_memory_gb():.0f} GB, for stack, servers, providers and callers "
        f"together; Python {platform.python_version()}, PostgreSQL {servers.postgresql.version()}, "
        f"RabbitMQ {servers.rabbitmq.version()}, Redis {servers.redis.version()}."
    )


def _commit() -> str:
    try:
        changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
        commit = _git("rev-parse", "--short", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit} and changes that are not committed" if changed else commit


def _git(*words: str) -> str:
    return subprocess.run(  # noqa: S603 - reads this checkout.
        ["git", *words],  # noqa: S607 - found on the PATH.
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
