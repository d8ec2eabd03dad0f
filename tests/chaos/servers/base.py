"""A server as a process of the tests: started, stopped, killed, suspended and resumed."""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.chaos.family import kill_family, signal_family
from tests.journeys.http import until
from tests.journeys.processes import Process, free_port

START_SECONDS = 60
STOP_SECONDS = 30


class MissingProgramError(Exception):
    """A server's program is not installed on this machine."""


def program(name: str, *places: str) -> str:
    """Find a program in these places, then on the PATH.

    Raises:
        MissingProgramError: It was not found.
    """
    for place in places:
        found = sorted(Path("/").glob(f"{place.lstrip('/')}/{name}"))
        if found:
            return str(found[-1])
    on_path = shutil.which(name)
    if on_path is None:
        raise MissingProgramError(
            f"{name} is not installed. `make services` installs it from Debian's packages."
        )
    return on_path


class Server:
    """Base of the servers. Subclasses implement ``command``, ``answers``, ``url``, ``version``.

    Args:
        folder: An existing folder for data and logs.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(mode=0o700)
        self.port = free_port()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def env(self) -> dict[str, str]:
        return {}

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def version(self) -> str:
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = Process(
            *self.command(), log=self.folder / "log", env=self.env, cwd=self.folder
        )
        until(self.answers, within=START_SECONDS, what=f"{self.name} to answer")

    def stop(self) -> None:
        """Stop it with its stop signal, and wait until it has ended."""
        if self._process is not None:
            signal_family(self._process.pid, signal.SIGCONT)
            self._process._popen.send_signal(self.stop_signal)
            try:
                self._process._popen.wait(STOP_SECONDS)
            finally:
                self.kill()

    def kill(self) -> None:
        """Kill it as a power failure would."""
        if self._process is not None:
            kill_family(self._process.pid)
            self._process._popen.wait(STOP_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Suspend all its processes with their connections open."""
        assert self._process is not None
        signal_family(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume its processes."""
        assert self._process is not None
        signal_family(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
