"""A whole installation behind a real PgBouncer in transaction mode, which refuses ``options``."""

import os
import pwd
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import services
from tests.journeys.http import until
from tests.journeys.installation import Installation
from tests.journeys.processes import Process, free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

CONFIGURATION = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
{extra}
"""


def program() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.fail("pgbouncer is missing: docker/services.sh pgbouncer")
    return found


def unprivileged() -> list[str]:
    """Return the option that names another user, because PgBouncer refuses to run as root."""
    return ["-u", pwd.getpwnam("nobody").pw_name] if os.geteuid() == 0 else []


class PgBouncer:
    """A PgBouncer in front of the test server, which gives four connections to all clients."""

    def __init__(self, folder: Path, *, extra: str = "") -> None:
        server = urlsplit(services.DATABASE_URL)
        self.port = free_port()
        text = CONFIGURATION.format(
            host=server.hostname,
            port=server.port or 5432,
            user=server.username,
            password=server.password,
            listen_port=self.port,
            extra=extra,
        )
        self._file = folder / f"pgbouncer-{self.port}.ini"
        self._file.write_text(text)
        self._file.chmod(0o644)
        self._log = folder / f"pgbouncer-{self.port}.log"

    def address(self, database: str) -> str:
        return f"postgres://notifications@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self._process = Process(program(), *unprivileged(), str(self._file), log=self._log, env={})
        until(self._answers, within=20, what="PgBouncer")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def _answers(self) -> bool:
        assert self._process.running, self._log.read_text()
        database = urlsplit(services.DATABASE_URL).path[1:]
        try:
            psycopg.connect(make_conninfo(self.address(database))).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def pooled(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Run an installation behind a pooler, in the virtual host of the shared one.

    Meanwhile the other one has no workers. They would take half of the messages, find no rows of
    these ids in their database, and leave the rows to the sweep.
    """
    folder = tmp_path_factory.mktemp("pooled")
    # PgBouncer reads its file as another user.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    pooled = Installation(folder)
    with installation.stopped(), PgBouncer(folder) as pooler:
        pooled.settings["DATABASE_URL"] = pooler.address(pooled.database)
        with pooled:
            yield pooled


def database_detail(installation: Installation) -> str:
    (row,) = (one for one in installation.ready()["checks"] if one["name"] == "database")
    return str(row["detail"])


def test_behind_a_pooler_in_transaction_mode_everything_is_delivered_once(
    pooled: Installation,
) -> None:
    api = pooled.api()
    template, alice = api.mail_template(), api.user("alice")
    before = len(pooled.smtp.mails)

    def send(number: int) -> str:
        return api.send("email", alice, template, request_id=f"pooled-{number}")

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(send, range(100)))

    assert set(api.all_ended(ids, within=90)) == {"sent"}
    assert len(pooled.smtp.mails) == before + 100


def test_a_missing_time_limit_of_statements_is_told_until_the_database_sets_one(
    pooled: Installation,
) -> None:
    assert "statements have no time limit" in database_detail(pooled)
    assert "the database must set one" in (pooled.folder / "web.log").read_text()

    with psycopg.connect(services.DATABASE_URL, autocommit=True) as server:
        server.execute(f"ALTER DATABASE \"{pooled.database}\" SET statement_timeout = '15s'")
        # The pooler keeps its connections, and a setting holds from the next one on.
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [pooled.database],
        )

    until(
        lambda: pooled.ready() and database_detail(pooled) == "postgresql",
        within=30,
        what="the time limit",
    )
    with psycopg.connect(make_conninfo(pooled.settings["DATABASE_URL"])) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("15s",)


def test_a_pooler_that_ignores_our_options_does_not_hide_the_missing_time_limit(
    pooled: Installation, tmp_path: Path
) -> None:
    with psycopg.connect(services.DATABASE_URL, autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{pooled.database}" RESET statement_timeout')
    folder = pooled.folder
    with PgBouncer(folder, extra="ignore_startup_parameters = options") as pooler:
        printed = pooled.manage("notify", "doctor", DATABASE_URL=pooler.address(pooled.database))
    assert "statements have no time limit" in printed


def test_the_doctor_shows_what_the_pooler_says(pooled: Installation) -> None:
    with pytest.raises(AssertionError, match="does not exist") as caught:
        pooled.manage(
            "notify", "doctor", DATABASE_URL=pooled.settings["DATABASE_URL"] + "-of-nobody"
        )
    assert "Traceback" not in str(caught.value)
