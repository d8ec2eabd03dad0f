"""What the files of each platform start: commands, the time to stop, the variables."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.contracts.deployment_files import ROOT, SERVICES

FOLDER = ROOT / "docker"
PAGES = ROOT / "docs" / "deployment"
ROLES = {"web", "worker", "scheduler", "dead-letter-recorder", "flower", "setup"}
# What a variable has that the platform keeps as a secret.
SECRET = "<kept by the platform>"

Words = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Started:
    """One process of a platform.

    Attributes:
        command: The words of the entrypoint, without the waiting before.
        waits: Whether it waits for the migrations.
        stop_seconds: The time between SIGTERM and SIGKILL; None if the platform has its own.
        variables: Names with values; ``SECRET`` where the value is not in the files.
    """

    command: Words
    waits: bool
    stop_seconds: int | None
    variables: Mapping[str, str]


def started(text: str | Words, *, stop: int | None, variables: Mapping[str, str]) -> Started:
    words = tuple(text.split()) if isinstance(text, str) else tuple(text)
    if words[0].endswith("docker/entrypoint.sh"):
        words = words[1:]
    waits = words[0] == "after-setup"
    return Started(
        command=words[1:] if waits else words, waits=waits, stop_seconds=stop, variables=variables
    )


def compose() -> dict[str, Words]:
    """Return the processes of docker-compose.yml, by which all platforms are judged."""
    commands = {name: tuple(service.get("command") or ()) for name, service in SERVICES.items()}
    return {name: words for name, words in commands.items() if words[:1] and words[0] in ROLES}


def compose_stop_seconds(name: str) -> int:
    return int(SERVICES[name]["stop_grace_period"].removesuffix("s"))


def render() -> dict[str, Started]:
    read = yaml.safe_load((ROOT / "render.yaml").read_text())
    groups = {each["name"]: entries(each["envVars"]) for each in read["envVarGroups"]}
    # Made by hand before, as the page says.
    groups["notifications-secrets"] = dict.fromkeys(variables_of_page("render.md"), SECRET)
    found: dict[str, Started] = {}
    for service in read["services"]:
        if "dockerCommand" not in service:
            continue
        variables: dict[str, str] = {}
        for entry in service["envVars"]:
            variables |= groups[entry["fromGroup"]] if "fromGroup" in entry else entries([entry])
        stop = service["maxShutdownDelaySeconds"]
        name = service["name"].removeprefix("notifications-")
        found[name] = started(service["dockerCommand"], stop=stop, variables=variables)
        if "preDeployCommand" in service:
            found["setup"] = started(service["preDeployCommand"], stop=None, variables=variables)
    return found


def entries(given: list[dict[str, Any]]) -> dict[str, str]:
    return {each["key"]: each.get("value", SECRET) for each in given}


def variables_of_page(page: str) -> list[str]:
    """Return the variables that the table below "Variables" of a page names."""
    _, _, section = (PAGES / page).read_text().partition("\n## Variables")
    table, _, _ = section.partition("\n## ")
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)]


def railway() -> dict[str, Started]:
    lines = (FOLDER / "railway" / "variables.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines)
    variables = {name: SECRET if "${{" in value else value for name, value in given.items()}
    found: dict[str, Started] = {}
    for file in sorted((FOLDER / "railway").glob("*.json")):
        deploy = json.loads(file.read_text())["deploy"]
        stop = deploy["drainingSeconds"]
        found[file.stem] = started(deploy["startCommand"], stop=stop, variables=variables)
        for command in deploy.get("preDeployCommand", []):
            found["setup"] = started(command, stop=None, variables=variables)
    return found


def digitalocean() -> dict[str, Started]:
    read = yaml.safe_load((FOLDER / "digitalocean" / "app.yaml").read_text())
    variables = {
        each["key"]: SECRET if "${" in each.get("value", "${") else each["value"]
        for each in read["envs"]
    }
    return {
        each["name"]: started(
            each["run_command"],
            stop=each.get("termination", {}).get("grace_period_seconds"),
            variables=variables,
        )
        for kind in ("jobs", "services", "workers")
        for each in read[kind]
    }


def template(name: str) -> dict[str, Any]:
    """Return a CloudFormation template; what a function calculates is a dict with its name."""
    read: dict[str, Any] = yaml.load(
        (FOLDER / "aws" / name).read_text(),
        Loader=CloudFormationLoader,  # noqa: S506 - a safe one.
    )
    return read


class CloudFormationLoader(yaml.SafeLoader):
    """Reads the short forms of functions."""


def construct_function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.MappingNode):
        return {suffix: loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)
    return {suffix: loader.construct_scalar(node)}


CloudFormationLoader.add_multi_constructor("!", construct_function)


def aws() -> dict[str, Started]:
    (setup,) = template("setup.yaml")["Resources"]["SetupTask"]["Properties"][
        "ContainerDefinitions"
    ]
    found = {
        "setup": started(setup["Command"], stop=None, variables=container_variables(setup)),
    }
    processes = template("processes.yaml")
    _, names, tasks = processes["Resources"]["Fn::ForEach::Tasks"]
    (container,) = tasks["${Process}Task"]["Properties"]["ContainerDefinitions"]
    for name in names:
        row = processes["Mappings"]["Processes"][name]
        found[row["Name"]] = started(
            tuple(row["Command"]),
            stop=int(row["StopSeconds"]),
            variables=container_variables(container),
        )
    return found


def container_variables(container: Mapping[str, Any]) -> dict[str, str]:
    given = {each["Name"]: str(each["Value"]) for each in container["Environment"]}
    for each in container["Secrets"]:
        # A secret may be conditional.
        given[(each["If"][1] if "If" in each else each)["Name"]] = SECRET
    return given


PLATFORMS: Mapping[str, Callable[[], dict[str, Started]]] = {
    "render": render,
    "railway": railway,
    "digitalocean": digitalocean,
    "aws": aws,
}
