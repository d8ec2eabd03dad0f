"""Installed packages match pyproject.toml, and every file is verified by its hash."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CHOSEN = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-dev.txt": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["dependency-groups"]["dev"],
    ],
    "requirements-bench.txt": PROJECT["dependency-groups"]["bench"],
}
# One package: its version, an optional environment marker, and the hashes of its files.
PINNED = re.compile(
    r"([\w.-]+)==([\w.]+)(?: ; [^\n\\]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+"
)


def entries(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.lstrip().startswith("#"))
    return [entry for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if entry]


@pytest.mark.parametrize("name", CHOSEN)
def test_every_package_is_pinned_and_its_files_have_hashes(name: str) -> None:
    assert entries(name)
    assert [entry for entry in entries(name) if not PINNED.fullmatch(entry)] == []


@pytest.mark.parametrize("name", CHOSEN)
def test_pinned_versions_satisfy_the_project_requirements(name: str) -> None:
    found = [PINNED.fullmatch(entry) for entry in entries(name)]
    pinned = {match[1]: match[2] for match in found if match is not None}

    for wanted in map(Requirement, CHOSEN[name]):
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), wanted


def test_the_tested_packages_include_all_production_packages() -> None:
    tested = set(entries("requirements-dev.txt"))

    assert [entry for entry in entries("requirements.txt") if entry not in tested] == []


@pytest.mark.parametrize("name", ["Makefile", "docker/Dockerfile"])
def test_everything_is_installed_with_hash_verification(name: str) -> None:
    installs = re.findall(r"pip install .*", (ROOT / name).read_text())

    assert installs
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_the_settings_have_the_version_of_the_project() -> None:
    assert PROJECT["project"]["version"] == settings.VERSION
