"""Start Django in a separate process with only the environment that a test gives."""

import subprocess
import sys
from collections.abc import Callable
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


@pytest.fixture
def start(copy: Path) -> Start:
    def run(code: str = SETUP, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own interpreter on our own code.
            [sys.executable, "-c", code],
            cwd=copy,
            env={
                "DJANGO_SETTINGS_MODULE": "notifications_project.settings",
                "PATH": "/usr/bin:/bin",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
