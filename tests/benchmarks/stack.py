"""The real stack with a given number of processes; its workers can be started later."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.cpu import Groups
from tests.chaos.stack import Stack

# The client's rate limit is checked and counted but never reached.
NO_LIMIT = "1000000000/m"
PROGRAMS = ("web", "email", "push", "webhooks", "scheduler", "dead-letter-recorder", "flower")


class BenchStack(Stack):
    """``make stack`` with its production settings; only the settings below differ.

    Args:
        web: Number of web processes.
        email: Processes for normal and bulk mail; with 0 there is none for urgent mail either.
        push: The same for push.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], *, web: int, email: int, push: int
    ) -> None:
        counts = {"WEB_PROCESSES": web, "EMAIL_WORKERS": email, "PUSH_WORKERS": push}
        folder.mkdir(mode=0o700)
        super().__init__(
            folder,
            {
                # Nobody has registered any, and their worker would only take memory.
                "WEBHOOK_WORKERS": "0",
                **settings,
                **{name: str(count) for name, count in counts.items()},
                "RATE_LIMIT_NOTIFICATIONS": NO_LIMIT,
            },
        )
        self._whole = bool(email and push)

    def ready(self) -> bool:
        """Return whether it answers and, if all lanes have workers, whether these are ready."""
        try:
            address = f"{self.base}/health/ready"
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - loopback.
                return not self._whole or bool(json.loads(answer.read())["status"] == "ok")
        except OSError:
            return False

    def groups(self) -> Groups:
        """Return the root process of each kind."""
        found = {program: self.pid(program) for program in PROGRAMS}
        return {program: pid for program, pid in found.items() if pid}
