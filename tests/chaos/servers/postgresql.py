"""A PostgreSQL cluster for the tests."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import psycopg

from tests.chaos.servers.base import MissingProgramError, Server, program

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")
ROLE = "notifications"
# PostgreSQL refuses to run as root.
UNPRIVILEGED = "postgres"
# The duplicate window is measured with the commit timestamps.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
track_commit_timestamp = on
"""


class Postgresql(Server):
    """A cluster with one role and one database, which writes commits to the disk."""

    name: ClassVar[str] = "postgresql"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # Ends sessions, then the server.

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._data = self.folder / "data"
        if os.geteuid() == 0:
            try:
                owner = pwd.getpwnam(UNPRIVILEGED)
            except KeyError:
                raise MissingProgramError(
                    f"As root a user called {UNPRIVILEGED} is needed. `make services` makes it."
                ) from None
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._run(
            program("initdb", *PLACES),
            f"--pgdata={self._data}",
            f"--username={ROLE}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION.format(port=self.port, folder=self.folder))

    @property
    def url(self) -> str:
        return self._address(ROLE)

    def command(self) -> Sequence[str]:
        return [*self._as_owner(), program("postgres", *PLACES), "-D", str(self._data)]

    def start(self) -> None:
        super().start()
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [ROLE])
            if found.fetchone() is None:
                connection.execute(f"CREATE DATABASE {ROLE}")

    def make_database(self, name: str) -> str:
        """Create another database and return its URL."""
        with self.administrator() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._address(name)

    def administrator(self) -> psycopg.Connection:
        """Connect independently of the stack, with autocommit."""
        return psycopg.connect(self._address("postgres"), autocommit=True)

    def end_sessions(self) -> int:
        """End every session of the stack, and return how many there were."""
        with self.administrator() as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
                [ROLE],
            ).fetchone()
        return int(ended[0]) if ended else 0

    def answers(self) -> bool:
        try:
            with psycopg.connect(self._address("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def version(self) -> str:
        with psycopg.connect(self.url) as connection:
            (version,) = connection.execute("SHOW server_version").fetchone() or ("",)
        return str(version).partition(" ")[0]

    def _address(self, database: str) -> str:
        return f"postgres://{ROLE}@127.0.0.1:{self.port}/{database}"

    def _as_owner(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        who = ["--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--init-groups"]
        return [program("setpriv"), *who]

    def _run(self, *command: str) -> None:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own program.
            [*self._as_owner(), *command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise RuntimeError(done.stderr)
