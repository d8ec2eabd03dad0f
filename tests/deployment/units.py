"""The units of systemd, read as far as the tests need them."""

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.deployment_files import ROOT

FOLDER = ROOT / "docker" / "systemd"
DROP_IN = Path("notifications-.service.d") / "common.conf"
# Where the page installs it.
CHECKOUT = "/srv/notifications"
SETTINGS = "/etc/notifications"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One service with what its drop-in adds.

    Attributes:
        name: Without the suffix; of a worker with its instance, such as
            ``notifications-worker@email``.
        options: Every option with its values, the later ones last.
    """

    name: str
    options: Mapping[str, tuple[str, ...]]

    def one(self, option: str) -> str:
        return self.options[option][-1]

    @property
    def process(self) -> str:
        """The name of the same process in docker-compose.yml."""
        return self.name.removeprefix("notifications-").removeprefix("worker@")

    def environment(self, *, root: str = "") -> dict[str, str]:
        """Return the variables that systemd would set; ``root`` stands before the two folders."""
        found: dict[str, str] = {}
        for line in self.options.get("Environment", ()):
            found |= dict(each.split("=", 1) for each in shlex.split(line))
        for file in self.options.get("EnvironmentFile", ()):
            place = Path(under(file.removeprefix("-"), root))
            if not root and file.startswith(CHECKOUT):
                place = ROOT / Path(file).relative_to(CHECKOUT)
            if place.exists():
                found |= read_variables(place)
            else:
                assert file.startswith("-") or not root, file
        return {name: under(value, root) for name, value in found.items()}

    def command(self, *, root: str = "", **changed: str) -> list[str]:
        """Return the words that systemd would start, with variables that an operator changes."""
        variables = self.environment(root=root) | changed
        return [
            re.sub(r"\$\{(\w+)\}", lambda found: variables[found[1]], under(word, root))
            for word in shlex.split(self.one("ExecStart"))
        ]


def under(text: str, root: str) -> str:
    return re.sub(rf"(?<![\w/])({CHECKOUT}|{SETTINGS})\b", rf"{root}\1", text) if root else text


def read_variables(file: Path) -> dict[str, str]:
    """Return the variables of a file that ``EnvironmentFile`` names."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {
        name: "".join(shlex.split(value)) if '"' in value else value
        for name, _, value in (line.partition("=") for line in lines)
    }


def options_of(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in file.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[name].append(value)
    return found


def units() -> dict[str, Unit]:
    """Return the services that the target starts, by the names of docker-compose.yml."""
    wanted = " ".join(options_of(FOLDER / "notifications.target")["Wants"]).split()
    found = [unit(name.removesuffix(".service")) for name in wanted]
    return {each.process: each for each in found}


def unit(name: str) -> Unit:
    file, at, instance = name.partition("@")
    options = options_of(FOLDER / f"{file}{at}.service")
    for option, values in options_of(FOLDER / DROP_IN).items():
        options[option] = [*options.get(option, []), *values]
    return Unit(
        name=name,
        options={
            option: tuple(value.replace("%i", instance) for value in values)
            for option, values in options.items()
        },
    )
