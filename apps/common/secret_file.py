"""A file of generated secrets with mode 0600, such as ``var/demo.env``."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """Read the file; return an empty dict if there is none."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name: value for name, _, value in pairs}


def keep(path: Path, values: Mapping[str, str]) -> None:
    """Add or replace values. The file is replaced atomically: a temporary file is renamed."""
    merged = {**read(path), **values}
    path.parent.mkdir(mode=0o700, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in merged.items())
    beside.replace(path)


def secret(path: Path, name: str) -> str:
    """Return a secret from the file; generate and store it if it is missing."""
    found = read(path).get(name)
    if not found:
        found = secrets.token_urlsafe(48)
        keep(path, {name: found})
    return found
