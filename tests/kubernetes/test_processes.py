"""The Deployments and the Job match the code and docker-compose.yml."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from secrets import token_urlsafe

import pytest
from django.conf import settings

from apps.notifications.broker import topology
from tests.contracts.deployment_files import ONE_SHOT, OUR_SERVICES, SERVICES
from tests.kubernetes.manifests import (
    FOLDER,
    OVERLAYS,
    ROOT,
    Object,
    container,
    containers,
    kustomization,
    layers,
    of_kind,
    pod,
    pod_labels,
    processes,
)

# With a port they are asked over HTTP, others by the health check of the image.
WITH_PORT = {"web": 8000, "flower": 5555}
UNITS = {"Mi": 1, "Gi": 1024}


def is_worker(each: Object) -> bool:
    return bool(container(each)["args"][0] == "worker")


def mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_of_compose_is_started_with_the_same_command(overlay: str) -> None:
    found = {name: container(each)["args"] for name, each in processes(overlay).items()}

    assert found == {name: SERVICES[name]["command"] for name in OUR_SERVICES}


def test_every_role_of_the_entrypoint_is_started() -> None:
    entrypoint = (ROOT / "docker" / "entrypoint.sh").read_text()
    roles = set(re.findall(r"^    ([a-z-]+)\)", entrypoint, re.MULTILINE))

    assert {container(each)["args"][0] for each in processes("production").values()} == roles


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_queue_is_consumed_by_exactly_one_deployment(overlay: str) -> None:
    workers = [
        container(each)["args"][1] for each in processes(overlay).values() if is_worker(each)
    ]
    lanes = [lane for words in workers for lane in words.split(",")]

    assert Counter(lanes) == Counter(topology.WORKER_QUEUES)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_setup_is_a_job(overlay: str) -> None:
    assert set(of_kind(overlay, "Job")) == {ONE_SHOT}
    assert pod(of_kind(overlay, "Job")[ONE_SHOT])["restartPolicy"] == "Never"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_image_has_the_version_of_the_project(overlay: str) -> None:
    images = {part["image"] for each in processes(overlay).values() for part in containers(each)}
    tags = [
        image["newTag"]
        for folder in layers(overlay)
        for image in kustomization(folder).get("images", [])
    ]

    assert images == {f"notifications:{settings.VERSION}"}
    assert set(tags) <= {settings.VERSION}
    assert {SERVICES[name]["image"] for name in OUR_SERVICES} == images


def test_the_bundled_servers_have_the_images_of_compose() -> None:
    servers = of_kind("small", "StatefulSet")

    assert {name: container(each)["image"] for name, each in servers.items()} == {
        name: SERVICES[name]["image"] for name in ("postgresql", "rabbitmq", "redis")
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_stopping_process_has_the_time_that_it_needs(overlay: str) -> None:
    for name, each in processes(overlay).items():
        compose = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
        expected = compose if is_worker(each) else 40
        assert pod(each)["terminationGracePeriodSeconds"] == expected, name


def test_web_has_its_time_to_stop_besides_the_pause_before() -> None:
    serving = (ROOT / "apps" / "common" / "serving.py").read_text()
    ends = re.search(r"^END_SECONDS = (\d+)$", serving, re.MULTILINE)
    web = of_kind("production", "Deployment")["web"]
    command, pause = container(web)["lifecycle"]["preStop"]["exec"]["command"]

    assert ends is not None
    assert command == "sleep"
    assert int(pause) + int(ends[1]) < pod(web)["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_process_starts_with_the_schema_of_an_earlier_release(overlay: str) -> None:
    # Flower does not use the database.
    for name in set(processes(overlay)) - {ONE_SHOT, "flower"}:
        (first,) = pod(processes(overlay)[name])["initContainers"]
        assert first["args"][:4] == ["python", "manage.py", "migrate", "--check"], name


def test_the_check_of_the_schema_fails_until_the_migrations_have_run(tmp_path: Path) -> None:
    (first,) = pod(processes("production")["web"])["initContainers"]
    env = {"DATABASE_URL": f"sqlite:///{tmp_path}/db", "ENV_FILE": os.devnull}
    env |= {"SECRET_KEY": token_urlsafe(48), "ALLOWED_HOSTS": "127.0.0.1"}
    env |= {"PATH": os.environ["PATH"]}

    def status(*arguments: str) -> int:
        return subprocess.run(  # noqa: S603 - our own arguments.
            [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, check=False
        ).returncode

    before = status(*first["args"][1:])
    assert status("manage.py", "migrate", "--verbosity=0") == 0
    assert (before, status(*first["args"][1:])) == (1, 0)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_process_without_a_port_is_asked_by_the_command_of_compose(overlay: str) -> None:
    found = of_kind(overlay, "Deployment")
    for name in set(found) - set(WITH_PORT):
        asked = container(found[name])
        command = SERVICES[name]["healthcheck"]["test"][1:]
        assert command == ["python", "-S", "-E", "docker/healthcheck.py", "process"]
        for probe in ("startupProbe", "readinessProbe"):
            assert asked[probe]["exec"]["command"] == command, name
        # An outage of a server must not restart all workers.
        assert "livenessProbe" not in asked, name


@pytest.mark.parametrize(("name", "port"), WITH_PORT.items())
def test_a_process_with_a_port_is_asked_there(name: str, port: int) -> None:
    asked = container(of_kind("production", "Deployment")[name])
    service = of_kind("production", "Service")[name]

    assert asked["ports"] == [{"name": "http", "containerPort": port}]
    assert service["spec"]["ports"] == [{"name": "http", "port": port, "targetPort": "http"}]
    assert service["spec"]["selector"] == pod_labels(of_kind("production", "Deployment")[name])
    for probe in ("startupProbe", "readinessProbe"):
        assert asked[probe]["httpGet"]["port"] == "http"


def test_web_is_ready_with_its_database_and_alive_without() -> None:
    web = container(of_kind("production", "Deployment")["web"])

    assert web["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert web["livenessProbe"]["httpGet"]["path"] == "/health/live"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_has_requests_and_limits(overlay: str) -> None:
    for each in of_kind(overlay, "Deployment", "Job", "StatefulSet").values():
        for part in containers(each):
            asked, most = part["resources"]["requests"], part["resources"]["limits"]
            assert cores(asked["cpu"]) <= cores(most["cpu"])
            assert mebibytes(asked["memory"]) < mebibytes(most["memory"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_deployment_has_a_disruption_budget_and_is_spread(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")
    found = of_kind(overlay, "Deployment")

    assert set(budgets) == set(found)
    for name, each in found.items():
        selector = {"matchLabels": pod_labels(each)}
        # With minAvailable a single replica could never leave its node.
        assert budgets[name]["spec"] == {"maxUnavailable": 1, "selector": selector}
        assert each["spec"]["selector"] == selector
        spread = pod(each)["topologySpreadConstraints"]
        assert [rule["labelSelector"] for rule in spread] == [selector, selector]


def replicas(overlay: str, name: str) -> int:
    """Return the most replicas that a Deployment of an overlay may have."""
    scaled = of_kind(overlay, "ScaledObject").get(name)
    if scaled is not None:
        return int(scaled["spec"]["maxReplicaCount"])
    return int(of_kind(overlay, "Deployment")[name]["spec"]["replicas"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_setup_counts_the_processes_of_the_whole_installation(overlay: str) -> None:
    """``migrate`` warns of too few connections by these numbers."""
    given = {one["name"]: one["value"] for one in container(processes(overlay)[ONE_SHOT])["env"]}
    web = container(processes(overlay)["web"])["env"]
    workers = [name for name, each in processes(overlay).items() if is_worker(each)]

    expected = {"WEB_PROCESSES": replicas(overlay, "web") * int(web[0]["value"])}
    for channel in ("email", "push"):
        # The urgent lane's first process is counted by the check itself.
        total = sum(replicas(overlay, name) for name in workers if name.startswith(channel))
        expected[f"{channel.upper()}_WORKERS"] = total - 1
    expected["WEBHOOK_WORKERS"] = replicas(overlay, "webhooks")
    assert given == {name: str(number) for name, number in expected.items()}


def requested(overlay: str) -> tuple[float, float]:
    """Return the cores and GiB that an overlay requests with its most replicas."""
    found = of_kind(overlay, "Deployment", "StatefulSet")
    times = {
        name: replicas(overlay, name) if each["kind"] == "Deployment" else each["spec"]["replicas"]
        for name, each in found.items()
    }
    asked = {name: container(each)["resources"]["requests"] for name, each in found.items()}
    return (
        sum(times[name] * cores(one["cpu"]) for name, one in asked.items()),
        sum(times[name] * mebibytes(one["memory"]) for name, one in asked.items()) / 1024,
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_document_states_what_is_requested(overlay: str) -> None:
    page = (ROOT / "docs" / "deployment" / "kubernetes.md").read_text()
    stated = re.search(rf"^\| {overlay}[^|]* \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)

    assert stated is not None
    assert stated.groups() == tuple(f"{amount:.1f}" for amount in requested(overlay))


def connections(overlay: str) -> int:
    """Return the most connections to PostgreSQL, as docs/scaling.md counts them for a process."""
    each_pod = {"web": 2 * 11, "flower": 0}
    return sum(
        replicas(overlay, name) * each_pod.get(name, 2) for name in of_kind(overlay, "Deployment")
    )


def test_the_document_states_the_connections() -> None:
    page = (ROOT / "docs" / "deployment" / "kubernetes.md").read_text()
    stated = re.search(r"up to (\d+) connections with `production` and (\d+) with `keda`", page)

    assert stated is not None
    expected = (connections("production"), connections("keda"))
    assert tuple(map(int, stated.groups())) == expected


def test_production_survives_the_stop_of_one_process_of_each_kind() -> None:
    single = {
        name
        for name, each in of_kind("production", "Deployment").items()
        if each["spec"]["replicas"] == 1
    }

    assert single == {"dead-letter-recorder", "flower"}


def test_the_overlays_are_those_of_the_document() -> None:
    page = (ROOT / "docs" / "deployment" / "kubernetes.md").read_text()

    assert set(re.findall(r"docker/kubernetes/overlays/([a-z]+)", page)) == set(OVERLAYS)
    assert FOLDER.joinpath("deploy.sh").exists()
