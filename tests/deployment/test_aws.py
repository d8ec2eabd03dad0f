"""The templates for AWS are valid, and processes change only after good migrations."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deployment.processes import FOLDER, template
from tests.journeys.processes import BIN

TEMPLATES = ("servers.yaml", "setup.yaml", "processes.yaml")

# Stands in for the account: notes what is deployed or started, and answers as told.
AWS = """#!/bin/sh
case "$*" in
    *"cloudformation deploy"* | *run-task*) echo "$*" >> "$CALLS" ;;
esac
case "$*" in
    *run-task*) echo arn:task ;;
    *"OutputKey=='Subnets'"*) echo subnet-1,subnet-2 ;;
    *"OutputKey=='ProcessesGroup'"*) echo sg-1 ;;
    *"OutputKey=='AssignPublicIp'"*) echo ENABLED ;;
    *"OutputKey=='Cluster'"*) echo cluster-1 ;;
    *"OutputKey=='SetupTask'"*) echo setup:7 ;;
    *lastStatus*)
        echo >> "$ASKED"
        [ "$(wc -l < "$ASKED")" -gt 1 ] && echo STOPPED || echo RUNNING ;;
    *exitCode*) echo "$STATUS" ;;
esac
"""


def deploy(folder: Path, *, status: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script; return how it ended, and the calls that change something."""
    stand_in = folder / "aws"
    stand_in.write_text(AWS)
    stand_in.chmod(0o755)
    done = subprocess.run(  # noqa: S603 - our own script.
        [str(FOLDER / "aws" / "deploy.sh"), "parameters.json"],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "ASKED": str(folder / "asked"),
            "STATUS": status,
            "POLL_SECONDS": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done, (folder / "calls").read_text().splitlines()


def test_processes_follow_the_migrations(tmp_path: Path) -> None:
    done, calls = deploy(tmp_path, status="0")

    assert done.returncode == 0, done.stderr
    assert [re.findall(r"(\w+\.yaml|run-task)", call) for call in calls] == [
        ["setup.yaml"],
        ["run-task"],
        ["processes.yaml"],
    ]
    assert "--task-definition setup:7" in calls[1]
    assert (
        "awsvpcConfiguration={subnets=[subnet-1,subnet-2],securityGroups=[sg-1],"
        "assignPublicIp=ENABLED}" in calls[1]
    )


@pytest.mark.parametrize("status", ["1", "2", "None"])
def test_after_failed_migrations_no_process_changes(status: str, tmp_path: Path) -> None:
    done, calls = deploy(tmp_path, status=status)

    assert done.returncode == 1
    assert "No process was changed" in done.stderr
    assert not any("processes.yaml" in call for call in calls)


def test_cloudformation_knows_every_property() -> None:
    # One call for all, because most of its time is to load the schemas.
    files = [str(FOLDER / "aws" / name) for name in TEMPLATES]
    checked = subprocess.run(  # noqa: S603 - our own arguments.
        [f"{BIN}/cfn-lint", *files], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_example_names_every_parameter_without_a_default_and_no_other() -> None:
    example = json.loads((FOLDER / "aws" / "parameters.example.json").read_text())["Parameters"]
    known = [template(name)["Parameters"] for name in TEMPLATES]
    needed = {
        name for each in known for name, parameter in each.items() if "Default" not in parameter
    }

    assert needed - set(example) == set()
    assert set(example) - {name for each in known for name in each} == set()


def test_what_is_imported_is_exported() -> None:
    text = "".join((FOLDER / "aws" / name).read_text() for name in TEMPLATES)
    exported = {
        f"{stack}-{each}"
        for stack, name in (("ServersStack", "servers.yaml"), ("SetupStack", "setup.yaml"))
        for each, output in template(name)["Outputs"].items()
        if "Export" in output
    }
    imported = {
        f"{stack}-{name}"
        for stack, name in re.findall(r"\"\$\{(ServersStack|SetupStack)\}-(\w+)\"", text)
    }

    assert imported == exported


def test_the_script_reads_what_the_templates_put_out() -> None:
    script = (FOLDER / "aws" / "deploy.sh").read_text()
    for stack, output in re.findall(r'output "\$(SERVERS|SETUP)_STACK" (\w+)', script):
        assert output in template(f"{stack.lower()}.yaml")["Outputs"]


def test_every_service_of_the_loop_has_a_task_and_web_its_load_balancer() -> None:
    resources = template("processes.yaml")["Resources"]
    tasks = set(resources["Fn::ForEach::Tasks"][1])
    services = set(resources["Fn::ForEach::Services"][1])

    assert services | {"Web"} == tasks
    assert set(template("processes.yaml")["Mappings"]["Processes"]) == tasks
    assert resources["WebTargets"]["Properties"]["HealthCheckPath"] == "/health/ready"


def test_the_numbers_by_which_migrate_warns_are_those_of_the_services() -> None:
    rows = template("processes.yaml")["Mappings"]["Processes"]
    (setup,) = template("setup.yaml")["Resources"]["SetupTask"]["Properties"][
        "ContainerDefinitions"
    ]
    given = {each["Name"]: each["Value"] for each in setup["Environment"]}

    # Web starts two processes in each task; the check itself counts one urgent worker.
    assert int(given["WEB_PROCESSES"]) == 2 * int(rows["Web"]["Count"])
    for channel in ("Email", "Push"):
        workers = int(rows[channel]["Count"]) + int(rows[f"{channel}Urgent"]["Count"]) - 1
        assert int(given[f"{channel.upper()}_WORKERS"]) == workers
