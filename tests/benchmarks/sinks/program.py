"""A sink as a separate process, and the queries to it."""

import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.benchmarks.processes import contenders_python, end
from tests.journeys.http import until
from tests.journeys.processes import Process, free_port

START_SECONDS = 20
POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a sink has received since its last reset.

    Attributes:
        taken: Number of messages, including copies.
        distinct: Number of distinct messages.
        first: When the first message was received, in Unix seconds.
        last: When the last message was received, in Unix seconds.
    """

    taken: int
    distinct: int
    first: float
    last: float

    @property
    def rate(self) -> float:
        """Messages per second from the first to the last."""
        return (self.taken - 1) / (self.last - self.first) if self.last > self.first else 0.0


class Sink:
    """Starts a sink and ends it.

    Args:
        name: ``smtp``, ``fcm`` or ``sendgrid``.
        options: Further command-line arguments.
    """

    host = "127.0.0.1"

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self._name, self._folder, self._options = name, folder, options
        self.port, self.control_port = free_port(), free_port()
        self._process: Process | None = None

    def __enter__(self) -> Self:
        module = f"tests.benchmarks.sinks.{self._name}"
        ports = ("--port", str(self.port), "--control-port", str(self.control_port))
        python = str(contenders_python() or sys.executable)
        log = self._folder / f"sink-{self._name}-{self.port}.log"
        self._process = Process(python, "-m", module, *ports, *self._options, log=log, env={})
        until(self._answers, within=START_SECONDS, what=f"the {self._name} sink to answer")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def reset(self) -> None:
        """Reset all counts."""
        self._ask("reset")

    def taken(self) -> Taken:
        """Return what the sink has received."""
        return Taken(**self._ask("stats"))

    def times(self) -> dict[str, float]:
        """Return when each reference was received, in Unix seconds."""
        return dict(self._ask("times"))

    def refuse_beyond(self, per_second: int) -> None:
        """Have messages beyond so many a second refused; 0 ends that."""
        self._ask(f"limit {per_second}")

    def refused(self) -> list[float]:
        """Say when messages were refused, in Unix seconds."""
        return list(self._ask("refused"))

    def wait_for(
        self, count: int, *, within: float, ended: Callable[[], bool] = lambda: False
    ) -> Taken:
        """Wait for ``count`` distinct messages, or until no message was received for some time.

        Args:
            count: Number of distinct messages.
            within: Seconds without any message after which the wait ends.
            ended: Returns whether the sender has finished, so that no more messages can be sent.
        """
        seen, since = -1, time.monotonic()
        while True:
            no_more = ended()
            found = self.taken()
            if found.distinct >= count or no_more or time.monotonic() > since + within:
                return found
            if found.taken != seen:
                seen, since = found.taken, time.monotonic()
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            self.taken()
        except OSError:
            return False
        return True

    def _ask(self, word: str) -> Any:
        with (
            socket.create_connection((self.host, self.control_port), timeout=10) as line,
            line.makefile("rwb") as words,
        ):
            words.write(f"{word}\n".encode())
            words.flush()
            return json.loads(words.readline())
