"""``docker/services.sh`` installs programs and makes virtual hosts, if they are missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contracts.deployment_files import ROOT

PACKAGES = {"kubectl": "kubernetes-client", "chromium": "chromium", "nodejs": "npm"}
PROGRAMS = {"kubectl": "kubectl", "chromium": "chromium", "nodejs": "npm"}


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a folder of programs, of a machine where no package is installed and all can be."""
    folder = tmp_path / "bin"
    folder.mkdir()
    dirname = shutil.which("dirname")
    assert dirname is not None
    (folder / "dirname").symlink_to(dirname)
    put(folder, "dpkg", "exit 1")
    put(folder, "id", "echo 0")
    put(folder, "apt-get", f'echo "$*" >> {tmp_path}/installs')
    return folder


def run(path: Path, word: str, **environment: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own script.
        [str(ROOT / "docker" / "services.sh"), word],
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def installs(path: Path, word: str) -> list[str]:
    run(path, word)
    log = path.parent / "installs"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split()[-1] for line in lines if line.startswith("install")]


@pytest.mark.parametrize("word", PACKAGES)
def test_a_program_that_is_missing_is_installed(path: Path, word: str) -> None:
    assert installs(path, word) == [PACKAGES[word]]


@pytest.mark.parametrize("word", PACKAGES)
def test_a_program_that_is_there_is_left_alone(path: Path, word: str) -> None:
    put(path, PROGRAMS[word], "exit 0")

    assert installs(path, word) == []


@pytest.fixture
def rabbitmq(path: Path) -> Path:
    """Add a RabbitMQ that answers, and has the virtual hosts of a run in one process."""
    grep = shutil.which("grep")
    assert grep is not None
    (path / "grep").symlink_to(grep)
    put(path, "python3", "exit 0")
    put(path, "docker", "exit 1")
    log = path.parent / "hosts"
    put(
        path,
        "rabbitmqctl",
        f"""case "$2" in
            list_vhosts) echo / && echo notifications_test ;;
            add_vhost) echo "add $3" >> {log} ;;
            set_permissions) echo "permit $4" >> {log} ;;
        esac""",
    )
    return path


@pytest.mark.parametrize(("environment", "processes"), [({}, 2), ({"TEST_PROCESSES": "3"}, 3)])
def test_every_process_of_the_tests_gets_a_virtual_host(
    rabbitmq: Path, environment: dict[str, str], processes: int
) -> None:
    run(rabbitmq, "rabbitmq", **environment)

    own = [f"notifications_test_gw{number}" for number in range(processes)]
    expected = ["permit notifications_test"]
    expected += [line for name in own for line in (f"add {name}", f"permit {name}")]
    assert (rabbitmq.parent / "hosts").read_text().splitlines() == expected


def test_the_virtual_hosts_that_are_asked_for_are_made_and_no_others(rabbitmq: Path) -> None:
    run(rabbitmq, "rabbitmq", TEST_VHOSTS="one two")

    made = (rabbitmq.parent / "hosts").read_text().splitlines()
    assert made == ["add one", "permit one", "add two", "permit two"]
