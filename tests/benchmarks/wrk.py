"""The load on an HTTP endpoint: wrk, on connections that are kept."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.cpu import Groups
from tests.benchmarks.figures import Reading
from tests.chaos.servers.base import MissingProgramError

SCRIPT = Path(__file__).with_name("post.lua")
TIMEOUT_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is posted, and where to.

    Attributes:
        bodies: They are posted in turn.
        processes: Those that answer, by kind, each with the one that began them.
    """

    url: str
    authorization: str
    bodies: Sequence[bytes]
    processes: Groups


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came back.

    Attributes:
        requests: Answers, refusals included.
        longest: The longest wait for one, in seconds.
    """

    requests: int
    seconds: float
    p50: float
    p95: float
    p99: float
    longest: float
    refused: int
    broken: int

    def reading(self) -> Reading:
        """Return it as a round; a refusal or a broken connection is wrong."""
        wrong = []
        if self.refused or self.broken:
            wrong.append(f"{self.refused} refusals and {self.broken} broken connections")
        return Reading(
            rate=(self.requests - self.refused) / self.seconds,
            times={"p50": self.p50, "p95": self.p95, "p99": self.p99},
            wrong=tuple(wrong),
        )


def program() -> str:
    """Find wrk.

    Raises:
        MissingProgramError: It is not installed.
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
    """Post for so long and say what came back.

    Args:
        connections: How many callers, each waiting for its answer before it asks again.
        folder: Where the bodies are written down.
        delay_ms: How long each caller waits besides before it asks again.
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
