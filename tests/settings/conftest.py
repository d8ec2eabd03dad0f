"""Start Django in a separate process with only the environment that a test gives."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUP = "import django; django.setup()"

Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, so that no test changes the developer's ``var/`` or ``.env``."""
    here = tmp_path_factory.mktemp("project")
    for name in ("apps", "notifications_project", "templates"):
        copytree(ROOT / name, here / name, ignore=ignore_patterns("__pycache__"))
    return here


@pytest.fixture(scope="session")
def starter() -> Iterator["subprocess.Popen[str]"]:
    """The process that the processes of the tests are forked from."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter on our own code.
        [sys.executable, str(Path(__file__).with_name("starter.py"))],
        env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        yield running


@pytest.fixture
def start(
    copy: Path, starter: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory
) -> Start:
    def run(code: str = SETUP, **environment: str) -> subprocess.CompletedProcess[str]:
        output = tmp_path_factory.mktemp("process")
        env = {
            "DJANGO_SETTINGS_MODULE": "notifications_project.settings",
            "PATH": "/usr/bin:/bin",
            **environment,
        }
        given = {"code": code, "env": env, "cwd": str(copy), "output": str(output)}
        assert starter.stdin is not None
        assert starter.stdout is not None
        starter.stdin.write(f"{json.dumps(given)}\n")
        starter.stdin.flush()
        status = int(starter.stdout.readline())
        stdout, stderr = ((output / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(code, status, stdout, stderr)

    return run
