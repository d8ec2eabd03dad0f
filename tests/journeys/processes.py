"""Processes that a test starts, watches and ends, each in a process group of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One process with its output in a file."""

    def __init__(self, *command: str, log: Path, env: Mapping[str, str], cwd: Path = ROOT) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - commands of this project.
                command,
                cwd=cwd,
                env={**bare_environment(), **env},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def kill(self) -> None:
        """Kill the whole group at once, as a power failure would."""
        self.signal_group(signal.SIGKILL)
        self._popen.wait(10)

    def stop(self, *, within: float = 30) -> int:
        """Send SIGTERM to the process and return its exit code."""
        self._popen.terminate()
        try:
            return self._popen.wait(within)
        finally:
            self.signal_group(signal.SIGKILL)


def output_of(*command: str, folder: Path) -> str:
    """Run a tool to its end in a folder, and return all that it printed; fail if it failed."""
    done = subprocess.run(  # noqa: S603 - tools of this project, against loopback.
        command,
        cwd=folder,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def bare_environment() -> dict[str, str]:
    """Return the environment without the variables of this project."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")
    return {name: os.environ[name] for name in kept if name in os.environ}
