"""What the entrypoint does for platforms without ordered starts, secret files or own probes."""

import json
import os
import secrets
import socket
import subprocess
from pathlib import Path

from tests.journeys.http import until
from tests.journeys.processes import BIN, ROOT, Process, bare_environment

ENTRYPOINT = str(ROOT / "docker" / "entrypoint.sh")
PATH = f"{BIN}:{os.environ['PATH']}"
# Takes the place of a role, and shows what the role would get.
SHOW = ("python", "-c", "import os, json; print(json.dumps(dict(os.environ)))")


def settings(folder: Path) -> dict[str, str]:
    return {
        "PATH": PATH,
        "ENV_FILE": os.devnull,
        "DATABASE_URL": f"sqlite:///{folder}/db",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ALLOWED_HOSTS": "notify.example.com",
    }


def shown(**env: str) -> dict[str, str]:
    """Return the variables that a role gets."""
    done = subprocess.run(  # noqa: S603 - our own script.
        [ENTRYPOINT, *SHOW],
        env={**bare_environment(), "PATH": PATH, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def test_a_role_waits_until_the_schema_is_that_of_its_release(tmp_path: Path) -> None:
    log = tmp_path / "log"
    waiting = Process(
        ENTRYPOINT, "after-setup", "echo", "it starts", log=log, env=settings(tmp_path)
    )
    until(lambda: "Waiting for setup" in log.read_text(), within=30, what="the role to wait")
    assert "it starts" not in log.read_text()

    subprocess.run(  # noqa: S603 - our own command.
        [f"{BIN}/python", "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env={**bare_environment(), **settings(tmp_path)},
        check=True,
    )

    until(lambda: not waiting.running, within=60, what="the role to start")
    assert log.read_text().splitlines()[-1] == "it starts"


def test_a_role_that_waits_ends_when_it_is_told_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    waiting = Process(
        ENTRYPOINT, "after-setup", "echo", "it starts", log=log, env=settings(tmp_path)
    )
    until(lambda: "Waiting for setup" in log.read_text(), within=30, what="the role to wait")

    assert waiting.stop() == 143
    assert "it starts" not in log.read_text()


def test_a_role_does_not_wait_with_invalid_variables(tmp_path: Path) -> None:
    log = tmp_path / "log"
    invalid = {**settings(tmp_path), "EMAIL_PROVIDERS": "pigeon"}
    ended = Process(ENTRYPOINT, "after-setup", "echo", "it starts", log=log, env=invalid)
    until(lambda: not ended.running, within=30, what="the process to end")

    assert ended.stop() == 2
    assert "EMAIL_PROVIDERS" in log.read_text()
    assert "it starts" not in log.read_text()


def test_after_setup_needs_a_role(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ended = Process(ENTRYPOINT, "after-setup", log=log, env=settings(tmp_path))
    until(lambda: not ended.running, within=30, what="the process to end")

    assert ended.stop() != 0
    assert "needs a role" in log.read_text()


def test_a_service_account_that_is_a_variable_becomes_a_file_of_this_user_only() -> None:
    given = shown(FCM_SERVICE_ACCOUNT='{"project_id": "shop"}')

    file = Path(given["FCM_SERVICE_ACCOUNT_FILE"])
    assert file.read_text() == '{"project_id": "shop"}'
    assert file.stat().st_mode & 0o777 == 0o600
    assert "FCM_SERVICE_ACCOUNT" not in given
    file.unlink()


def test_commands_of_the_project_find_the_service_account_only_by_the_entrypoint(
    tmp_path: Path,
) -> None:
    env = {
        **bare_environment(),
        **settings(tmp_path),
        "PUSH_PROVIDERS": "fcm",
        "FCM_SERVICE_ACCOUNT": "{}",
        "TMPDIR": str(tmp_path),
    }
    check = ["python", "manage.py", "check"]
    status = [
        subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False).returncode  # noqa: S603 - our own commands.
        for command in ([ENTRYPOINT, *check], [f"{BIN}/{check[0]}", *check[1:]])
    ]

    assert status == [0, 1]


def test_a_file_that_is_named_is_used_instead() -> None:
    given = shown(FCM_SERVICE_ACCOUNT="{}", FCM_SERVICE_ACCOUNT_FILE="/run/key.json")

    assert given["FCM_SERVICE_ACCOUNT_FILE"] == "/run/key.json"


def test_the_own_address_is_answered_where_it_is_wanted() -> None:
    own = {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), 0)}
    hosts = shown(ALLOW_OWN_ADDRESS="true", ALLOWED_HOSTS="notify.example.com")["ALLOWED_HOSTS"]

    name, *addresses = hosts.split(",")
    assert name == "notify.example.com"
    assert addresses
    assert set(addresses) <= own


def test_the_own_address_is_not_answered_otherwise() -> None:
    assert shown(ALLOWED_HOSTS="notify.example.com")["ALLOWED_HOSTS"] == "notify.example.com"
