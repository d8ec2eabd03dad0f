"""docs/security.md names only files and tests that exist, and a test for every threat."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PLACE = re.compile(r"`((?:apps|notifications_project|docker|\.github)/[\w./-]+)`")


def threats() -> list[tuple[str, str, str]]:
    _, _, section = TEXT.partition("\n## Threats\n")
    section, _, _ = section.partition("\n## ")
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", section, re.MULTILINE)
    return [row for row in rows if row[0] != "threat"]


THREATS = threats()


def test_the_tables_of_threats_are_parsed() -> None:
    assert len(THREATS) > 50


@pytest.mark.parametrize(("threat", "stop", "proof"), THREATS, ids=[row[0][:60] for row in THREATS])
def test_every_threat_has_a_module_that_stops_it_and_a_test_that_exists(
    threat: str, stop: str, proof: str
) -> None:
    places = PLACE.findall(stop)
    assert places, stop
    assert [place for place in places if not (ROOT / place).is_file()] == []
    tests = TEST.findall(proof)
    assert tests, proof
    for path, name in tests:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name
    # The cell contains nothing except references to tests.
    assert TEST.sub("", proof).strip(" ,") == ""


def test_every_security_test_file_is_named_in_the_document() -> None:
    named = {path for _, _, proof in THREATS for path, _ in TEST.findall(proof)}
    files = {f"tests/security/{file.name}" for file in (ROOT / "tests/security").glob("test_*.py")}
    assert files - named == set()


def test_flower_listens_outside_of_loopback_only_with_a_login() -> None:
    stack = (ROOT / "docker" / "stack.sh").read_text()
    assert "export FLOWER_ADDRESS=127.0.0.1\n" in stack
    assert '[ -z "${FLOWER_BASIC_AUTH:-}" ] || export FLOWER_ADDRESS=0.0.0.0' in stack
    entrypoint = (ROOT / "docker" / "entrypoint.sh").read_text()
    demanded, started = entrypoint.index("${FLOWER_BASIC_AUTH:?"), entrypoint.index("--address=")
    assert demanded < started


def test_the_packages_are_checked_against_advisories() -> None:
    makefile = (ROOT / "Makefile").read_text()
    _, _, recipe = makefile.partition("\naudit:")
    assert "pip-audit --strict" in recipe.partition("\n\n")[0]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "run" in step] == [
        "make audit"
    ]
    # YAML parses the key "on" as true.
    assert "schedule" in workflow[True]


def test_all_security_rules_of_the_linter_are_enabled() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    assert [rule for rule in lint["ignore"] if re.fullmatch(r"S\d*", rule)] == ["S101"]
