"""PostgreSQL is restarted, crashes, is frozen, ends sessions, keeps a lock, or has a full disk.

While it is unavailable nothing can be accepted. What a provider accepted is recorded afterwards, so
none of these faults explains a copy.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql

from apps.common.channels import Channel
from tests.chaos import bulk
from tests.chaos.environment import Environment
from tests.chaos.faults.registry import NotPossibleError, fault
from tests.journeys.http import until

UNAVAILABLE_SECONDS = 2.0
# Mails and push messages in addition to the load, in flight when the first sessions are ended.
BULK = 3000
UNDER_WAY = 150
UNDER_WAY_SECONDS = 30.0
BURST, BURST_SECONDS = 4, 3.0
END_EVERY_SECONDS = 2.0
# Free space for the tables on the small disk before it is filled.
SPARE_BYTES = 8 * 1024**2
TABLES = ("notifications_notification", "notifications_attempt")


@fault(says="PostgreSQL restarted, then killed with -9 and recovered")
def postgresql_restarted(environment: Environment, seconds: float) -> None:
    """Restart it as an operator would, and then as after a power failure."""
    for away in (environment.postgresql.stop, environment.postgresql.kill):
        away()
        try:
            time.sleep(UNAVAILABLE_SECONDS)
        finally:
            environment.postgresql.start()
        time.sleep(max(0.0, seconds / 2 - UNAVAILABLE_SECONDS))


@fault(says="PostgreSQL frozen (SIGSTOP, every process)", seconds=12)
def postgresql_frozen(environment: Environment, seconds: float) -> None:
    """Suspend it, so that it neither answers nor closes connections."""
    environment.postgresql.freeze()
    try:
        time.sleep(seconds)
    finally:
        environment.postgresql.thaw()


@fault(
    says="all sessions of PostgreSQL ended, 4 times in 3 s under 6,000 bulk ones, then every 2 s",
    seconds=25,
)
def sessions_ended(environment: Environment, seconds: float) -> None:
    """End sessions while many chunks are in flight, and continue at the usual rate."""
    end = time.monotonic() + seconds
    before = len(environment.smtp.copies), len(environment.fcm.copies)
    for channel in Channel:
        bulk.request_many(environment, channel, BULK)

    def under_way() -> bool:
        mails, pushes = (
            len(environment.smtp.copies) - before[0],
            len(environment.fcm.copies) - before[1],
        )
        return min(mails, pushes) >= UNDER_WAY

    until(under_way, within=UNDER_WAY_SECONDS, what="both channels to be under way")
    for _ in range(BURST):
        environment.postgresql.end_sessions()
        time.sleep(BURST_SECONDS / BURST)
    while time.monotonic() < end:
        environment.postgresql.end_sessions()
        time.sleep(END_EVERY_SECONDS)


@fault(says="the table of notifications locked (ACCESS EXCLUSIVE)", seconds=30)
def table_locked(environment: Environment, seconds: float) -> None:
    """Lock it as a migration or a careless operator would."""
    with psycopg.connect(environment.postgresql.url) as connection:
        connection.execute("LOCK TABLE notifications_notification IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)
        connection.rollback()


@fault(says="the disk of the notifications and attempts full")
def disk_full(environment: Environment, seconds: float) -> None:
    """Move the tables to a small disk, and fill that disk.

    Raises:
        NotPossibleError: No disk can be mounted here.
    """
    disk = environment.afterwards.enter_context(_small_disk(environment))
    # Many notifications, so that there is much to record while the disk is full.
    for channel in Channel:
        bulk.request_many(environment, channel, BULK // 3)
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(bytes(1024**2))
    try:
        time.sleep(seconds)
    finally:
        ballast.unlink()


@contextmanager
def _small_disk(environment: Environment) -> Iterator[Path]:
    """Move the tables to a disk in memory until everything is final."""
    if os.geteuid() != 0:
        raise NotPossibleError("needs root, to mount a small disk")
    tables = [sql.Identifier(table) for table in TABLES]
    with (
        psycopg.connect(environment.postgresql.url, autocommit=True) as connection,
        ExitStack() as undo,
    ):
        used = sum(_size(connection, table) for table in TABLES)
        disk = environment.postgresql.folder / "disk"
        disk.mkdir()
        undo.callback(disk.rmdir)
        _mount(disk, size=2 * used + SPARE_BYTES)
        # Lazily, in case PostgreSQL still has a file open there.
        undo.callback(_run, "umount", "--lazy", str(disk))
        place = disk / "space"
        place.mkdir(mode=0o700)
        shutil.chown(
            place, environment.postgresql.folder.owner(), environment.postgresql.folder.group()
        )
        where = sql.Literal(str(place))
        connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(where))
        undo.callback(_execute, environment, sql.SQL("DROP TABLESPACE small"))
        for table in tables:
            back = sql.SQL("ALTER TABLE {} SET TABLESPACE pg_default").format(table)
            undo.callback(_execute, environment, back)
            connection.execute(sql.SQL("ALTER TABLE {} SET TABLESPACE small").format(table))
            # Without free space in existing pages, everything that is stored needs new disk space.
            connection.execute(sql.SQL("VACUUM FULL {}").format(table))
        yield disk


def _size(connection: psycopg.Connection, table: str) -> int:
    found = connection.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone()
    return int(found[0]) if found else 0


def _execute(environment: Environment, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(environment.postgresql.url, autocommit=True) as connection:
        connection.execute(statement)


def _mount(disk: Path, *, size: int) -> None:
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "chaos", str(disk))
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPossibleError("needs the right to mount a small disk (tmpfs)") from error


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - mount and umount.
