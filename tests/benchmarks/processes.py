"""Find the contenders' interpreter, which has packages that we do not need, and end processes."""

from pathlib import Path

from tests.chaos.family import kill_family
from tests.journeys.processes import ROOT, Process

END_SECONDS = 10
CONTENDERS_BIN = ROOT / ".venv-bench" / "bin"


def contenders_python() -> Path | None:
    """Return the contenders' interpreter; None if ``make bench`` has not installed it."""
    python = CONTENDERS_BIN / "python"
    return python if python.exists() else None


def end(process: Process) -> None:
    """End a process and all its descendants."""
    kill_family(process.pid)
    process._popen.wait(END_SECONDS)
