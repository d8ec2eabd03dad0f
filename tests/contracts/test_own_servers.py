"""Each process of a run has its own virtual host, Redis database and database."""

import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection

from tests import own_servers, services
from tests.contracts.deployment_files import ROOT

BROKER = "amqp://guest:guest@127.0.0.1:5672/tests"
REDIS = "redis://127.0.0.1:6379/15"


@pytest.mark.services
@pytest.mark.django_db
def test_this_process_uses_its_own_servers() -> None:
    broker: Any = current_app.connection_for_write()
    own = f"_{own_servers.WORKER}" if own_servers.WORKER else ""

    assert f"/{broker.virtual_host}" == urlsplit(services.BROKER_URL).path
    assert broker.virtual_host.endswith(own)
    assert settings.REDIS_URL == services.REDIS_URL
    assert settings.CACHES["default"]["LOCATION"] == services.REDIS_URL
    assert str(connection.settings_dict["NAME"]).endswith(own)


def test_no_two_processes_share_a_virtual_host_or_a_redis_database() -> None:
    workers = ["", *(f"gw{number}" for number in range(8))]

    assert own_servers.broker_url(BROKER, "gw1") == f"{BROKER}_gw1"
    assert own_servers.redis_url(REDIS, "gw0") == "redis://127.0.0.1:6379/14"
    assert len({own_servers.broker_url(BROKER, worker) for worker in workers}) == len(workers)
    assert len({own_servers.redis_url(REDIS, worker) for worker in workers}) == len(workers)


@pytest.mark.parametrize(("url", "worker"), [(REDIS, "gw14"), ("redis://127.0.0.1:6379", "gw0")])
def test_no_process_gets_the_redis_database_of_a_running_stack(url: str, worker: str) -> None:
    with pytest.raises(ValueError, match=worker):
        own_servers.redis_url(url, worker)


def test_of_a_broker_elsewhere_the_reason_is_given() -> None:
    (reason,) = own_servers.make_virtual_hosts("amqp://u:p@mq.example:5672/tests", ["gw0"])
    assert "mq.example:5672" in reason


def run(folder: Path, *, own: bool, processes: str = "") -> tuple[str, list[str]]:
    """Run the script with stand-ins for Python and pytest.

    Args:
        folder: The place of the copy of the script.
        own: Whether each process can have servers of its own.
        processes: The value of ``TEST_PROCESSES_ON_SERVERS``.

    Returns:
        The output, and the arguments of pytest on the servers.
    """
    (folder / "tests").mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "run.sh", folder / "tests")
    (folder / ".env.example").touch()
    answers = '#!/bin/sh\ncase "$*" in *--processes*) exit {} ;; *--export*) echo : ;; esac\n'
    for name, script in (
        ("python", answers.format(int(not own))),
        ("pytest", '#!/bin/sh\necho "$*" >> calls\n'),
    ):
        (folder / ".venv" / "bin" / name).write_text(script)
        (folder / ".venv" / "bin" / name).chmod(0o755)
    done = subprocess.run(  # noqa: S603 - a script of this project.
        [folder / "tests" / "run.sh", "tests/users"],
        env={"PATH": "/usr/bin:/bin", "TEST_PROCESSES_ON_SERVERS": processes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    without, on_servers = (folder / "calls").read_text().splitlines()
    assert without.split()[:2] == ["--numprocesses", "2"]
    return done.stdout, on_servers.split()


def test_two_processes_that_have_their_own_servers_share_the_tests(tmp_path: Path) -> None:
    said, arguments = run(tmp_path, own=True)

    assert arguments == ["--numprocesses", "2", "--dist", "worksteal", "tests/users"]
    assert "IN ONE PROCESS" not in said


def test_without_servers_of_their_own_one_process_runs_the_tests_and_it_is_said(
    tmp_path: Path,
) -> None:
    said, arguments = run(tmp_path, own=False)

    assert arguments[:2] == ["--numprocesses", "0"]
    assert "IN ONE PROCESS" in said


def test_the_journeys_run_in_one_process_on_the_shared_names(tmp_path: Path) -> None:
    said, arguments = run(tmp_path, own=True, processes="1")

    assert arguments[:2] == ["--numprocesses", "0"]
    assert "IN ONE PROCESS" not in said
    assert (
        "TEST_PROCESSES_ON_SERVERS=1 tests/run.sh tests/journeys" in (ROOT / "Makefile").read_text()
    )
