"""Runs the commands of a document as its reader does, and compares what they print.

A document shows what one run printed. Ids, times, keys and durations differ in each run, so both
sides are made equal in these first; ``...`` in the document stands for anything.
"""

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.documents.blocks import Step
from tests.journeys.processes import bare_environment

WAIT_SECONDS = 60
COMMAND_SECONDS = 120
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# In a document an id may be cut off: 01a20424-...
SHOWN_UUID = re.compile(r"\b01a2[0-9a-f]{4}-(?:[0-9a-f-]*\.\.\.|[0-9a-f-]+)")
ASSIGNMENT = re.compile(r"export (\w+)=")
CHANGES_NOTHING = re.compile(r"curl (?!.*(?: -d | -X | --data))", re.DOTALL)


class Transcript:
    """A shell in one folder, with the variables that its commands have exported.

    Args:
        folder: Where the commands run.
        given: The values of variables that a reader copies from what was printed.
        replaced: Texts of the document, and what stands for them here, such as ports.
        exported: Variables that are set before the first command.
    """

    def __init__(
        self,
        folder: Path,
        *,
        given: Mapping[str, str],
        replaced: Mapping[str, str],
        exported: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._given = dict(given)
        self._replaced = dict(replaced)
        self._exported = dict(exported or {})

    def run(self, step: Step) -> None:
        """Run a command, and see that it succeeds and prints what the document shows.

        A command that only reads is repeated for a while: delivery takes a moment.
        """
        command = self._here(step.command)
        if ASSIGNMENT.match(command):
            self._export(command)
            return
        until = time.monotonic() + WAIT_SECONDS
        while True:
            printed = self._printed(command)
            missing = missing_of(self._here(step.shown), printed)
            if missing is None or not CHANGES_NOTHING.match(command) or time.monotonic() > until:
                break
            time.sleep(0.3)
        assert missing is None, f"$ {command}\n{printed}\nThe document shows:\n{missing}"
        self._learn(step.shown, printed)

    def _here(self, text: str) -> str:
        for shown, real in self._replaced.items():
            text = text.replace(shown, real)
        return text

    def _export(self, command: str) -> None:
        """Export variables; those that a reader copies get the real values."""
        for name in re.findall(r"(?:^export|\s)\s*(\w+)=", command):
            value = self._given.get(name)
            if value is None:
                value = self._printed(f'{command}\nprintf %s "${name}"')
            self._exported[name] = value

    def _printed(self, command: str) -> str:
        done = subprocess.run(  # noqa: S603 - commands of the project's own documents.
            ["/bin/bash", "-euo", "pipefail", "-c", command],
            cwd=self._folder,
            env={**bare_environment(), **self._exported},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {command}\nended with {done.returncode}:\n{printed}"
        return printed

    def _learn(self, shown: str, printed: str) -> None:
        """Remember which id stands here for the first one that the document shows."""
        in_document, real = UUID.search(shown), UUID.search(printed)
        if in_document and real:
            self._replaced.setdefault(in_document[0], real[0])


def missing_of(shown: str, printed: str) -> str | None:
    """Return the first part that the document shows and the command did not print; else None."""
    have = _equal(printed, UUID)
    position = 0
    for part in _equal(shown, SHOWN_UUID).split("..."):
        found = have.find(part, position)
        if found < 0:
            return part
        position = found + len(part)
    return None


def _equal(text: str, ids: re.Pattern[str]) -> str:
    """Return a text without spaces, in which what differs in each run is the same."""
    text = ids.sub("<id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>", text)
    text = re.sub(r"nk_(live|test)_[\w.]+", "<key>", text)
    text = re.sub(r"\d+(\.\d+)? ms", "<duration>", text)
    return re.sub(r"\s+", "", text)
