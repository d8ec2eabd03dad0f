"""The script applies the processes of a release only after its migrations have ended well."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.kubernetes.manifests import FOLDER, OVERLAYS, objects

SCRIPT = FOLDER / "deploy.sh"

# Stands in for the cluster: notes each call, and answers as a cluster whose Job ends as told.
KUBECTL = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
    *"get secret"*) [ "$SECRET" = yes ] ;;
    *"get job setup"*.status.active*) printf %s "$ACTIVE" ;;
    *"get job setup"*) printf %s "$ENDED" ;;
    *"get statefulset"*) echo statefulset.apps/postgresql ;;
    *"get deployment"*) printf 'deployment.apps/%s\\n' web email ;;
esac
"""


class Cluster:
    """A kubectl of the tests, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = folder / "calls"
        self._calls.touch()
        kubectl = folder / "kubectl"
        kubectl.write_text(KUBECTL)
        kubectl.chmod(0o755)

    def deploy(
        self, *, ended: str, active: str = "", secret: str = "yes", seconds: int = 60
    ) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": f"{self._folder}:{os.environ['PATH']}",
            "CALLS": str(self._calls),
            "ENDED": ended,
            "ACTIVE": active,
            "SECRET": secret,
            "SETUP_SECONDS": str(seconds),
        }
        return subprocess.run(  # noqa: S603 - our own script.
            [str(SCRIPT), "overlay"], env=env, capture_output=True, text=True, check=False
        )

    @property
    def calls(self) -> list[str]:
        """Return the calls that change something or wait."""
        lines = self._calls.read_text().splitlines()
        return [
            line.replace("--namespace notifications ", "")
            for line in lines
            if any(word in line for word in ("apply", "delete", "rollout"))
        ]

    @property
    def times_asked(self) -> int:
        """Return how often the script asked for the end of the Job."""
        return self._calls.read_text().count(".status.conditions")

    @property
    def applied(self) -> list[str]:
        return [line.partition("--selector ")[2] for line in self.calls if "apply" in line]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


BEFORE = "notifications/step!=setup,notifications/step!=processes"
SETUP = "notifications/step=setup"
PROCESSES = "notifications/step=processes"


def test_processes_follow_the_migrations(cluster: Cluster) -> None:
    done = cluster.deploy(ended="SuccessCriteriaMet Complete")

    assert done.returncode == 0, done.stderr
    assert cluster.applied == [BEFORE, SETUP, PROCESSES]
    assert [line for line in cluster.calls if "apply" not in line] == [
        "rollout status statefulset.apps/postgresql --timeout 900s",
        "delete job setup --ignore-not-found",
        "rollout status deployment.apps/web --timeout 900s",
        "rollout status deployment.apps/email --timeout 900s",
    ]


def test_after_failed_migrations_no_process_changes(cluster: Cluster) -> None:
    done = cluster.deploy(ended="FailureTarget Failed")

    assert done.returncode == 1
    assert "No process was changed" in done.stderr
    assert cluster.applied == [BEFORE, SETUP]
    # It does not wait for more.
    assert cluster.times_asked == 1


def test_migrations_that_do_not_end_in_time_change_no_process(cluster: Cluster) -> None:
    done = cluster.deploy(ended="", seconds=1)

    assert done.returncode == 1
    assert cluster.applied == [BEFORE, SETUP]


def test_without_secrets_nothing_is_applied(cluster: Cluster) -> None:
    done = cluster.deploy(ended="Complete", secret="no")

    assert done.returncode == 1
    assert "docs/deployment/kubernetes.md" in done.stderr
    assert cluster.calls == []


def test_migrations_of_another_deployment_are_not_interrupted(cluster: Cluster) -> None:
    done = cluster.deploy(ended="", active="1")

    assert done.returncode == 1
    assert cluster.calls == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_belongs_to_one_step(overlay: str) -> None:
    steps = {
        key: each["metadata"].get("labels", {}).get("notifications/step")
        for key, each in objects(overlay).items()
    }

    assert {kind for (kind, _), step in steps.items() if step == "setup"} == {"Job"}
    late = {kind for (kind, _), step in steps.items() if step == "processes"}
    assert late == {"Deployment"} | ({"ScaledObject"} if overlay == "keda" else set())
    assert set(steps.values()) == {None, "setup", "processes"}
