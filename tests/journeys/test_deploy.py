"""``docker/deploy.sh`` to a real server of OpenSSH, with a recorder in the place of Docker."""

import getpass
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.test_deploy_script import VERSION, deploy
from tests.fakes.platform_server import PlatformServer
from tests.journeys.http import until
from tests.journeys.processes import ROOT, Process, free_port, output_of

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(120)]

CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PidFile none
UsePAM no
PasswordAuthentication no
# The folders of a test are below a folder that all may write to.
StrictModes no
SetEnv PATH={folder}/bin:/usr/bin:/bin
"""
# Writes its arguments into a file, and fails where a test wants it to.
DOCKER = """#!/bin/sh
echo "$(pwd) docker $*" >> '{folder}/calls'
case "$*" in *"$(cat '{folder}/failing' 2>/dev/null || echo nothing)"*) exit 3 ;; esac
"""
IMAGE = "ghcr.io/example/notifications"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine that is deployed to."""

    folder: Path
    port: int

    @property
    def target(self) -> Path:
        return self.folder / "installation"

    @property
    def calls(self) -> list[str]:
        place = self.folder / "calls"
        return place.read_text().splitlines() if place.exists() else []

    def environment(self, url: str) -> dict[str, str]:
        return {
            "DEPLOY_URL": url,
            "DEPLOY_SSH": f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}",
            "DEPLOY_SSH_HOST_KEY": self.known_host("host_key"),
            # As a secret of a workflow: without the line feed at its end.
            "DEPLOY_SSH_KEY": (self.folder / "client_key").read_text().strip(),
            "DEPLOY_PATH": str(self.target),
            "IMAGE": IMAGE,
        }

    def known_host(self, name: str) -> str:
        key = (self.folder / f"{name}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {key[0]} {key[1]}"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for name in ("host_key", "client_key", "other_key"):
        output_of("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name, folder=tmp_path)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(folder=tmp_path))
    docker.chmod(0o755)
    if os.getuid() == 0:
        # Where the server gives its rights up; only the service of the system makes it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    found = Machine(folder=tmp_path, port=free_port())
    configuration = tmp_path / "sshd_config"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, port=found.port))
    server = Process(
        "/usr/sbin/sshd", "-D", "-e", "-f", str(configuration), log=tmp_path / "log", env={}
    )
    try:
        until(
            lambda: "Server listening" in server.log.read_text(), within=20, what="sshd to listen"
        )
        yield found
    finally:
        server.kill()


def test_the_files_are_copied_and_each_step_is_taken_in_its_order(machine: Machine) -> None:
    machine.target.mkdir()
    (machine.target / ".env").write_text("WEB_PROCESSES=4\n")
    with PlatformServer(version=VERSION) as platform:
        ended = deploy(VERSION, **machine.environment(platform.url))
    assert (ended.returncode, ended.stderr) == (0, "")
    steps = [
        f"pull --quiet {IMAGE}:{VERSION}",
        f"tag {IMAGE}:{VERSION} notifications:{VERSION}",
        "compose pull --quiet --ignore-buildable",
        "compose run --rm --no-TTY setup",
        "compose up --detach --no-build --remove-orphans --wait",
    ]
    assert machine.calls == [f"{machine.target} docker {step}" for step in steps]
    copied = machine.target / "docker-compose.yml"
    assert copied.read_bytes() == (ROOT / "docker-compose.yml").read_bytes()
    assert (machine.target / "docker" / "rabbitmq" / "rabbitmq.conf").is_file()
    assert (machine.target / ".env").read_text() == "WEB_PROCESSES=4\n"
    assert f"notifications:{VERSION}" in copied.read_text(), "the name that the image gets"


def test_a_server_with_another_host_key_gets_nothing(machine: Machine) -> None:
    given = machine.environment("http://127.0.0.1:1")
    ended = deploy(VERSION, **given | {"DEPLOY_SSH_HOST_KEY": machine.known_host("other_key")})
    assert ended.returncode == 1
    assert "Host key verification failed" in ended.stderr
    assert machine.calls == []
    assert not machine.target.exists()


def test_a_key_that_the_server_does_not_know_is_refused(machine: Machine) -> None:
    given = machine.environment("http://127.0.0.1:1")
    ended = deploy(
        VERSION, **given | {"DEPLOY_SSH_KEY": (machine.folder / "other_key").read_text()}
    )
    assert ended.returncode == 1
    assert "Permission denied" in ended.stderr
    assert not machine.target.exists()


def test_what_runs_is_not_replaced_when_a_migration_fails(machine: Machine) -> None:
    (machine.folder / "failing").write_text("setup")
    ended = deploy(VERSION, **machine.environment("http://127.0.0.1:1"))
    assert ended.returncode == 1
    assert "a step on the server failed" in ended.stderr
    assert machine.calls[-1].endswith("compose run --rm --no-TTY setup")


def test_the_key_is_removed_and_never_printed(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    with PlatformServer(version=VERSION) as platform:
        given = machine.environment(platform.url) | {"TMPDIR": str(temporary)}
        ended = deploy(VERSION, **given)
    assert ended.returncode == 0
    assert list(temporary.iterdir()) == []
    assert "PRIVATE KEY" not in ended.stdout + ended.stderr
