"""``docker/services.sh`` installs a program that is missing, and leaves one that is there alone."""

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


def installs(path: Path, word: str) -> list[str]:
    done = subprocess.run(  # noqa: S603 - our own script.
        [str(ROOT / "docker" / "services.sh"), word],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
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
