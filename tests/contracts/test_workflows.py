"""The workflows: pinned, with few rights, and with all that ``.ci/run`` asks for."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS: dict[str, dict[Any, Any]] = {
    path.name: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"].values()]
STEPS = [step for _, job in JOBS for step in job.get("steps", [])]
DEPENDABOT = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
PAGE = (ROOT / "docs" / "deployment" / "ci_cd.md").read_text()
# YAML parses the key "on" as true.
ON = True


def words(text: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z]+)", text))


def test_the_workflows_are_found() -> None:
    assert set(WORKFLOWS) == {"ci.yml", "deploy.yml", "release.yml"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_pinned_to_a_commit_beside_its_version(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / name).read_text()
    used = re.findall(r"uses: (?!\./)(.+)", text)
    assert used
    pinned = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in used if not pinned.fullmatch(action)] == []


def test_one_action_has_one_commit() -> None:
    used = {step["uses"] for step in STEPS if "uses" in step}
    assert len(used) == len({action.partition("@")[0] for action in used})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


def test_only_the_image_of_a_release_is_written() -> None:
    rights = {
        (name, right)
        for name, job in JOBS
        for right, kind in job.get("permissions", {}).items()
        if kind == "write"
    }
    assert rights == {("release.yml", "packages")}


def test_every_job_has_a_time_limit_and_no_checkout_keeps_the_token() -> None:
    assert [name for name, job in JOBS if "steps" in job and "timeout-minutes" not in job] == []
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_no_script_contains_an_expression() -> None:
    """An expression becomes a part of the script, whatever it contains; a variable does not."""
    assert [step["run"] for step in STEPS if "${{" in step.get("run", "")] == []


def test_a_change_has_to_pass_on_github_what_the_script_for_it_asks_for() -> None:
    jobs = WORKFLOWS["ci.yml"]["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    asked = words((ROOT / ".ci" / "run").read_text())
    assert asked == {"services", "lint", "test", "journeys"}
    assert asked <= words("\n".join(step.get("run", "") for step in steps))
    assert jobs["tests"]["env"]["REQUIRE_SERVICES"] == "1"
    assert jobs["tests"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_an_image_is_pushed_only_for_a_tag_and_after_all_checks() -> None:
    release = WORKFLOWS["release.yml"]
    assert release[ON] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["image"]["needs"] == "checks"
    assert release["jobs"]["checks"]["uses"] == "./.github/workflows/ci.yml"
    pushes = [step for step in STEPS if step.get("with", {}).get("push")]
    assert len(pushes) == 1
    assert pushes[0]["with"]["provenance"] == "mode=max"
    assert pushes[0]["with"]["sbom"] is True


def test_a_deployment_is_started_by_hand_and_asks_the_reviewers_of_production() -> None:
    deploy = WORKFLOWS["deploy.yml"]
    assert list(deploy[ON]) == ["workflow_dispatch"]
    assert deploy["jobs"]["deploy"]["environment"] == "production"


def test_the_deployment_gets_every_variable_that_its_script_reads() -> None:
    script = (ROOT / "docker" / "deploy.sh").read_text()
    read = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", script)) - {"STATUS", "DEPLOY_WAIT_SECONDS"}
    step = next(step for step in STEPS if "docker/deploy.sh" in step.get("run", ""))
    assert set(step["env"]) - {"VERSION"} == read
    assert {name for name in read if name not in PAGE} == set()


def test_dependabot_looks_into_every_place_that_pins_something() -> None:
    looked = {
        (update["package-ecosystem"], directory)
        for update in DEPENDABOT["updates"]
        for directory in update.get("directories", [update.get("directory")])
    }
    npm = {
        ("npm", f"/{path.parent.relative_to(ROOT)}")
        for folder in ("apps", "tests")
        for path in (ROOT / folder).rglob("package-lock.json")
        if "node_modules" not in path.parts
    }
    others = {
        ("pip", "/"),
        ("docker", "/docker"),
        ("docker-compose", "/"),
        ("github-actions", "/"),
    }
    assert npm
    assert looked == npm | others
    assert {update["cooldown"]["default-days"] for update in DEPENDABOT["updates"]} == {7}
