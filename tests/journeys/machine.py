"""A machine on which somebody follows docs/deployment/systemd.md, in a folder instead of ``/``.

What belongs to a whole machine (packages, users, the servers' own commands, systemd) is replaced by
stand-ins that note their calls. The checkout, the virtual environment, the file of variables and
the units are real, and each unit's command runs as a plain process with the unit's environment.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deployment.units import CHECKOUT, SETTINGS, Unit, under, units
from tests.documents.blocks import ROOT, Block
from tests.journeys.checkout import LEFT_OUT
from tests.journeys.processes import Process, bare_environment

UNITS = "/etc/systemd/system"
PROXY = "/etc/caddy"
STAND_INS = ("apt-get", "useradd", "systemctl", "rabbitmqctl", "psql")
# `sudo` without its own options, as the user of the test.
SUDO = """#!/bin/sh
while [ "$1" = -u ]; do shift 2; done
exec "$@"
"""
NOTED = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
"""
# Clones of what was not committed would lack it.
GIT = """#!/bin/sh
if [ "$1" = clone ]; then cp -r "$SOURCE" "$3"; fi
"""


class Machine:
    """The folder, the commands that were followed there, and the processes of the units."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "machine"
        self._folder = folder
        self._source = folder / "source"
        self._bin = folder / "bin"
        self._calls = folder / "calls"
        self.processes: dict[str, Process] = {}
        shutil.copytree(ROOT, self._source, ignore=LEFT_OUT)
        for place in ("/srv", UNITS, PROXY):
            Path(f"{self.root}{place}").mkdir(parents=True)
        self._bin.mkdir()
        scripts = {"sudo": SUDO, "git": GIT, **dict.fromkeys(STAND_INS, NOTED)}
        for name, script in scripts.items():
            (self._bin / name).write_text(script)
            (self._bin / name).chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()

    @property
    def settings(self) -> Path:
        return Path(f"{self.root}{SETTINGS}/notifications.env")

    def follow(self, block: Block, **env: str) -> str:
        """Run the commands of a block in one shell, and return what they print."""
        commands = "\n".join(step.command for step in block.steps)
        for place in (UNITS, PROXY):
            commands = commands.replace(f" {place}", f" {self.root}{place}")
        # Here nobody has the group of the page.
        commands = under(commands, str(self.root)).replace(" -g notifications", "")
        done = subprocess.run(  # noqa: S603 - commands of the project's own documents.
            ["/bin/bash", "-euo", "pipefail", "-c", commands],
            cwd=self.root,
            env={
                **bare_environment(),
                "PATH": f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                "CALLS": str(self._calls),
                "SOURCE": str(self._source),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def place_units_here(self) -> None:
        """Let the installed units name the folders of this machine."""
        for file in Path(f"{self.root}{UNITS}").rglob("*.*"):
            if file.is_file():
                file.write_text(under(file.read_text(), str(self.root)))

    def edit(self, **values: str) -> None:
        """Write values into the file of variables, as an operator does with an editor."""
        lines = self.settings.read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in values]
        self.settings.write_text("\n".join([*kept, *(f"{k}={v}" for k, v in values.items())]))

    def start(self, name: str, **env: str) -> Process:
        """Start the command of a unit, with the environment and the folder of the unit."""
        unit: Unit = units()[name]
        root = str(self.root)
        started = Process(
            *unit.command(root=root, **env),
            log=self._folder / f"{name}.log",
            env={**unit.environment(root=root), **env},
            cwd=Path(f"{root}{CHECKOUT}"),
        )
        self.processes[name] = started
        return started

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
