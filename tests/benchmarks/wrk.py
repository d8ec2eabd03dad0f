"""HTTP load with wrk on persistent connections."""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.cpu import Groups
from tests.benchmarks.figures import Turn, Used
from tests.chaos.servers.base import MissingProgramError

SCRIPT = Path(__file__).with_name("post.lua")
TIMEOUT_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Target:
    """An endpoint and the bodies that are posted to it.

    Attributes:
        bodies: They are posted in turn.
        processes: The root processes that answer, by kind.
    """

    url: str
    authorization: str
    bodies: Sequence[bytes]
    processes: Groups


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers of one run.

    Attributes:
        requests: Number of answers, including refusals.
        waits: Times to an answer in seconds, in order, each for the same number of requests.
    """

    requests: int
    seconds: float
    waits: Sequence[float]
    refused: int
    broken: int

    def turn(self, used: Used) -> Turn:
        """Return the answers as a turn; refusals and broken connections are errors."""
        wrong = []
        if self.refused or self.broken:
            wrong.append(f"{self.refused} refusals and {self.broken} broken connections")
        return Turn(
            units=self.requests - self.refused,
            seconds=self.seconds,
            waits=self._by_wait(),
            used=used,
            wrong=tuple(wrong),
        )

    def _by_wait(self) -> dict[float, float]:
        each = self.requests / max(1, len(self.waits))
        return {wait: number * each for wait, number in Counter(self.waits).items()}


def program() -> str:
    """Return the path of wrk.

    Raises:
        MissingProgramError: wrk is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise MissingProgramError(
            "wrk, which makes the load, is not installed: apt-get install wrk."
        )
    return found


def post(
    target: Target, *, connections: int, seconds: float, folder: Path, delay_ms: float | None = None
) -> Answers:
    """Post for the given time and return figures about the answers.

    Args:
        connections: Number of callers; each waits for its answer before it sends the next request.
        folder: Where the file with the bodies is written.
        delay_ms: Additional pause of each caller before its next request, in milliseconds.
    """
    bodies = folder / "bodies"
    bodies.write_bytes(b"\n".join(target.bodies))
    address = urlsplit(target.url)
    given = {"BODIES": str(bodies), "AUTH": target.authorization, "WHERE": address.path}
    if delay_ms is not None:
        given["DELAY_MS"] = f"{delay_ms:.3f}"
    options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", f"--timeout={TIMEOUT_SECONDS}s"]
    done = subprocess.run(  # noqa: S603 - Debian's program with our own script.
        [program(), *options, "-s", str(SCRIPT), target.url],
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("JSON "))
    return Answers(**json.loads(line.removeprefix("JSON ")))
