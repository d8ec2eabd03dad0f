"""The deployment files, parsed, and the variables that the settings read."""

import ast
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "notifications_project" / "settings" / "environment.py"


class ComposeLoader(yaml.SafeLoader):
    """Reads the tags of Compose, such as ``!reset``, as the values behind them."""


def _value(loader: ComposeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


ComposeLoader.add_multi_constructor("!", _value)


def compose_file(name: str) -> dict[str, Any]:
    """Return a compose file, parsed."""
    found = yaml.load((ROOT / name).read_text(), Loader=ComposeLoader)  # noqa: S506 - a safe one.
    return dict(found)


COMPOSE = compose_file("docker-compose.yml")
PRODUCTION = compose_file("compose.production.yml")
LOOPBACK = compose_file("docker/loopback.yml")
RENDER = yaml.safe_load((ROOT / "render.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# Those of the override; it changes most of them and adds some.
PRODUCTION_SERVICES: dict[str, dict[str, Any]] = PRODUCTION["services"]
# All of both files, as far as they are described there and not only changed.
ALL_SERVICES = {
    **{name: service for name, service in PRODUCTION_SERVICES.items() if "image" in service},
    **SERVICES,
}
# The processes of the system; two other services of our image run a program instead of a role.
OUR_SERVICES = [
    name for name, service in SERVICES.items() if "build" in service and "entrypoint" not in service
]
# These run once and exit, so they need no health check.
ONE_SHOT = "setup"
ONE_SHOTS = (ONE_SHOT, "secrets")

NAME = re.compile(r"[A-Z][A-Z0-9_]+")


def environment_calls() -> dict[str, ast.expr | None]:
    """Return every variable that environment.py reads, with the expression of its default."""
    found: dict[str, ast.expr | None] = {}
    for node in ast.walk(ast.parse(ENVIRONMENT.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.args[0]
        if not isinstance(name, ast.Constant) or not NAME.fullmatch(str(name.value)):
            continue
        keyword = next((word.value for word in node.keywords if word.arg == "default"), None)
        found[str(name.value)] = node.args[1] if len(node.args) > 1 else keyword
    return found
