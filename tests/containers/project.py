"""One compose project of a run: a copy of a checkout, with ports of its own."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.containers.engine import Engine
from tests.containers.pages import fetch
from tests.containers.shell import CommandError, run
from tests.journeys.processes import free_port

PORTS = (
    "PORT",
    "FLOWER_PORT",
    "MAILPIT_PORT",
    "PUSH_CATCHER_PORT",
    "PROMETHEUS_PORT",
    "RABBITMQ_MANAGEMENT_PORT",
    "HTTP_PORT",
    "HTTPS_PORT",
)
UP_SECONDS = 420
DOWN_SECONDS = 180
OVERRIDE = "images-of-this-run.yml"


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of the project.

    Attributes:
        state: ``running``, ``exited`` and so on.
        health: ``healthy`` and so on; empty without a check.
    """

    service: str
    name: str
    state: str
    health: str
    exit_code: int


class Project:
    """A compose project with its files, its ports and its volumes.

    Args:
        folder: The copy of the checkout.
        files: The compose files, by their order.
        settings: Variables, as an operator would set them in the shell.

    Attributes:
        mail_port: The port of the mail catcher's pages.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        name: str,
        folder: Path,
        files: Sequence[str] = ("docker-compose.yml",),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._engine, self.name, self.folder, self.files = engine, name, folder, list(files)
        self.ports = {port: str(free_port()) for port in PORTS}
        self.settings = {**self.ports, **(settings or {})}
        self.mail_port = self.ports["MAILPIT_PORT"]

    def compose(self, *words: str, within: float, given: str | None = None) -> str:
        """Run ``docker compose`` and return what it prints."""
        command = self._command(*words)
        return run(*command, within=within, env=self.env, cwd=self.folder, given=given)

    def _command(self, *words: str) -> list[str]:
        files = [word for file in self._all_files() for word in ("-f", file)]
        return [
            "docker",
            "compose",
            "-p",
            self.name,
            "--env-file",
            self._env_file(),
            *files,
            *words,
        ]

    def _all_files(self) -> list[str]:
        return [*self.files, *([OVERRIDE] if (self.folder / OVERRIDE).exists() else [])]

    def _env_file(self) -> str:
        return ".env" if (self.folder / ".env").exists() else "/dev/null"

    @property
    def env(self) -> dict[str, str]:
        """The environment for ``docker compose``."""
        return {**self._engine.env, **self.settings}

    def replace_images(self, images: Mapping[str, str]) -> None:
        """Use these images for services; the others stay as the files name them."""
        text = "".join((self.folder / file).read_text() for file in self.files)
        known = {service for service in images if f"\n  {service}:" in text}
        content = {"services": {service: {"image": images[service]} for service in sorted(known)}}
        (self.folder / OVERRIDE).write_text(yaml.safe_dump(content))

    def up(self, *services: str, within: float = UP_SECONDS) -> float:
        """Start everything, wait until it is healthy, and return the seconds that it took."""
        began = time.monotonic()
        limit = ("--wait", "--wait-timeout", str(int(within)))
        words = ("up", "--detach", "--no-build", "--quiet-pull", *limit, *services)
        try:
            self.compose(*words, within=within + 30)
        except CommandError as error:
            raise CommandError(f"{error}\n{self.troubles()}") from error
        return time.monotonic() - began

    def down(self, *, volumes: bool = True) -> None:
        """Stop and remove everything; with its volumes, all data."""
        words = ("--volumes",) if volumes else ()
        self.compose("down", "--remove-orphans", *words, within=DOWN_SECONDS)

    def containers(self) -> dict[str, Container]:
        """Return the containers by service; of several, the last one listed."""
        lines = self.compose("ps", "--all", "--format", "json", within=30).splitlines()
        found = [json.loads(line) for line in lines if line.strip()]
        return {
            one["Service"]: Container(
                service=one["Service"],
                name=one["Name"],
                state=one["State"],
                health=one["Health"],
                exit_code=one["ExitCode"],
            )
            for one in found
        }

    def exec(self, service: str, *words: str, within: float = 60, given: str | None = None) -> str:
        """Run a command in a running container."""
        return self.compose("exec", "-T", service, *words, within=within, given=given)

    def logs(self, *services: str, lines: int = 200) -> str:
        """Return the last lines of the logs."""
        words = ("logs", "--no-color", "--no-log-prefix", "--tail", str(lines), *services)
        # Compose clears the line of a terminal, also where there is none.
        return self.compose(*words, within=30).replace("\x1b[2K", "")

    def troubles(self) -> str:
        """Return which containers are not well, with their last lines."""
        said = []
        for one in self.containers().values():
            well = one.health == "healthy" if one.health else one.exit_code == 0
            if not well:
                said.append(f"{one.service}: {one.state} {one.health} {one.exit_code}")
                said.append(self.logs(one.service, lines=15))
        return "\n".join(said)

    def kill(self, service: str) -> None:
        """Kill a container as a power failure would, and start it again."""
        name = self.containers()[service].name
        self._engine.docker("kill", "--signal", "KILL", name, within=30)
        self._engine.docker("start", name, within=60)

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a container."""
        name = self.containers()[service].name
        found: list[dict[str, Any]] = json.loads(self._engine.docker("inspect", name, within=30))
        return found[0]

    def url(self, port: str = "PORT", *, scheme: str = "http") -> str:
        """Return the address of a published port. TLS is for the name, not for the number."""
        host = "localhost" if scheme == "https" else "127.0.0.1"
        return f"{scheme}://{host}:{self.ports[port]}"

    def mails(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the mails of the catcher, newest first."""
        address = f"http://127.0.0.1:{self.mail_port}/api/v1/messages?limit={limit}"
        return list(json.loads(fetch(address))["messages"])

    def pushes(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the push messages of the catcher, newest first."""
        address = f"{self.url('PUSH_CATCHER_PORT')}/api/messages?limit={limit}"
        return list(json.loads(fetch(address))["messages"])
