"""The health check of a container: a heartbeat file or an HTTP answer, without starting Django."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.notifications.operations import heartbeat
from tests.fakes.http_server import Answer, HttpServer, Request

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "docker" / "healthcheck.py"


def check(kind: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a program of this project.
        [sys.executable, *words, str(PROGRAM), kind],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


class Page(HttpServer):
    status = 200

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[str] = []

    def respond(self, request: Request) -> Answer:
        self.hosts.append(request.headers["host"])
        found = request.path in {"/health/ready", "/healthcheck"}
        return Answer(status=self.status if found else 404)


def test_a_process_that_has_beaten_is_well(settings: object, tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    settings.HEARTBEAT_FILE = str(file)  # type: ignore[attr-defined] # The fixture of pytest-django.
    thread = heartbeat.HeartbeatThread(role="worker")
    assert check("process", HEARTBEAT_FILE=str(file)).returncode == 1

    thread.touch()

    assert check("process", HEARTBEAT_FILE=str(file)).returncode == 0


def test_a_process_whose_last_heartbeat_is_too_old_is_not_well(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    file.touch()
    long_ago = time.time() - heartbeat.ALIVE_FOR.total_seconds() - 1
    os.utime(file, (long_ago, long_ago))

    done = check("process", HEARTBEAT_FILE=str(file))

    assert done.returncode == 1
    assert "no heartbeat for" in done.stderr


def test_a_stopped_process_leaves_no_heartbeat_file(
    db: None, settings: object, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    settings.HEARTBEAT_FILE = str(file)  # type: ignore[attr-defined] # The fixture of pytest-django.
    thread = heartbeat.HeartbeatThread(role="worker")
    thread.touch()
    thread.stop()
    assert not file.exists()


@pytest.mark.parametrize(("kind", "variable"), [("web", "PORT"), ("flower", "FLOWER_PORT")])
def test_a_server_is_well_if_it_answers_with_success(kind: str, variable: str) -> None:
    with Page() as server:
        port = {variable: str(server.port)}
        assert check(kind, **port).returncode == 0
        server.status = 503
        refused = check(kind, **port)
        assert refused.returncode == 1
        assert "503" in refused.stderr


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ("notify.example.com,web", "notify.example.com"),
        (".example.com", "health.example.com"),
        ("*", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_web_process_is_asked_for_a_host_that_it_serves(allowed: str, asked: str) -> None:
    with Page() as server:
        check("web", PORT=str(server.port), ALLOWED_HOSTS=allowed)
        assert server.hosts == [asked]


def test_a_server_that_does_not_listen_is_not_well() -> None:
    with Page() as server:
        port = str(server.port)
    assert check("web", PORT=port).returncode == 1


def test_a_check_loads_nothing_that_takes_long() -> None:
    loaded = check("process", "-X", "importtime").stderr
    for heavy in ("django", "psycopg", "urllib", "http.client", "pathlib", "email"):
        assert f" {heavy}" not in loaded.replace("|", ""), heavy
