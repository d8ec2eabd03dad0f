"""A copy of the project without data, started as ``make run`` starts it."""

import re
import shutil
import urllib.request
from pathlib import Path

from tests.journeys.http import Api, until
from tests.journeys.processes import BIN, ROOT, Process, free_port

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis")


class Checkout:
    """A copy of the project with its port and its log; or an existing tree given by ``root``."""

    def __init__(self, folder: Path, *, root: Path | None = None) -> None:
        self.root = root or folder / "checkout"
        self.port = free_port()
        self.log = folder / "run.log"
        if root is None:
            shutil.copytree(ROOT, self.root, ignore=LEFT_OUT)

    def run(self, **env: str) -> Process:
        started = Process(
            f"{BIN}/python",
            "manage.py",
            "run",
            "--port",
            str(self.port),
            log=self.log,
            env=env,
            cwd=self.root,
        )
        until(self.answers, within=30, what="the API to answer")
        return started

    def make_run(self) -> Process:
        """Start it with the word that the documents name. It finds the packages installed."""
        started = Process("make", "run", f"PORT={self.port}", log=self.log, env={}, cwd=self.root)
        until(self.answers, within=60, what="the API to answer")
        until(lambda: "curl" in self.log.read_text(), within=10, what="the printed call")
        return started

    def answers(self) -> bool:
        try:
            address = f"http://127.0.0.1:{self.port}/health/live"
            with urllib.request.urlopen(address, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def printed(self, pattern: str) -> str:
        found = re.findall(pattern, self.log.read_text(), re.DOTALL)
        assert found, pattern
        return str(found[-1])

    @property
    def api(self) -> Api:
        return Api(
            base=f"http://127.0.0.1:{self.port}", key=self.printed(r"API key +(nk_live_\S+)")
        )
