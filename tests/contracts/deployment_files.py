"""The deployment files, parsed, and the variables that the settings read."""

import ast
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "notifications_project" / "settings" / "environment.py"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
LOOPBACK = yaml.safe_load((ROOT / "docker" / "loopback.yml").read_text())
RENDER = yaml.safe_load((ROOT / "render.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OUR_SERVICES = [name for name, service in SERVICES.items() if "build" in service]
# It runs once and exits, so it needs no health check.
ONE_SHOT = "setup"

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
