"""The variables and secrets of the processes: known, complete, accepted, and without a value."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest
import yaml

from notifications_project.settings.spelling import misspelt
from tests.contracts.deployment_files import environment_calls
from tests.kubernetes.manifests import (
    FOLDER,
    OVERLAYS,
    ROOT,
    SECRETS,
    Object,
    container,
    containers,
    objects,
    of_kind,
    pod,
    processes,
    variables,
)

PAGE = ROOT / "docs" / "deployment" / "kubernetes.md"
EXAMPLE_LINE = re.compile(r"^# ([A-Z][A-Z0-9_]*)=", re.MULTILINE)
SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|AUTH|_KEY|_URL|BROKER")
# Addresses that hold no password.
PUBLIC = {"PUBLIC_URL"}

# What a Secret has, for the settings to be read by a process.
SAMPLES = {
    "SECRET_KEY": token_urlsafe(48),
    "DATABASE_URL": f"postgres://notifications:{token_urlsafe(24)}@postgresql:5432/notifications",
    "BROKER_URL": f"amqp://notifications:{token_urlsafe(24)}@rabbitmq:5672//",
    "REDIS_URL": "redis://redis:6379/0",
}


def listed() -> set[str]:
    return set(EXAMPLE_LINE.findall((ROOT / ".env.example").read_text()))


def plain(name: str) -> str:
    """Return the variable that NAME_FILE stands for; one of ours may itself end in _FILE."""
    return name if name in listed() else name.removesuffix("_FILE")


def set_by(overlay: str, each: Object) -> dict[str, str]:
    """Return the variables of a process; a reference to a Secret is an empty text."""
    own = {one["name"]: one.get("value", "") for one in container(each).get("env", [])}
    return variables(overlay) | own


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_is_one_of_the_example(overlay: str) -> None:
    for each in processes(overlay).values():
        names = set_by(overlay, each)
        assert {plain(name) for name in names} - listed() == set()
        assert misspelt(names, environment_calls()) == {}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_of_ours_gets_the_variables(overlay: str) -> None:
    for each in processes(overlay).values():
        for part in containers(each):
            assert part["envFrom"] == [{"configMapRef": {"name": "notifications"}}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_required_variable_is_set(overlay: str) -> None:
    names = {plain(name) for name in variables(overlay)}

    assert names >= {"SECRET_KEY", "ALLOWED_HOSTS", "PUBLIC_URL"}
    assert names >= {"DATABASE_URL", "BROKER_URL", "REDIS_URL"}
    flower = {one["name"] for one in container(processes(overlay)["flower"])["env"]}
    assert "FLOWER_BASIC_AUTH" in flower


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """Return a folder with a file for each key of the Secret that any overlay names."""
    for overlay in OVERLAYS:
        for value in variables(overlay).values():
            if value.startswith(SECRETS):
                name = Path(value).name
                (tmp_path / name).write_text(SAMPLES.get(name, token_urlsafe(24)) + "\n")
    return tmp_path


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_settings_accept_the_variables(overlay: str, mounted: Path) -> None:
    given = {
        name: value.replace(SECRETS, str(mounted)) for name, value in variables(overlay).items()
    }
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--tag", "compatibility", "--tag", "caches"],
        cwd=ROOT,
        env={"ENV_FILE": os.devnull, **inherited, **given},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_send_a_host_that_is_served(overlay: str) -> None:
    web = container(processes(overlay)["web"])
    served = variables(overlay)["ALLOWED_HOSTS"].split(",")

    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (header,) = web[probe]["httpGet"]["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in served


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_has_a_value(overlay: str) -> None:
    for name, value in variables(overlay).items():
        if SECRET.search(name) and name not in PUBLIC:
            assert name.endswith("_FILE"), name
            assert value.startswith(f"{SECRETS}/"), name
    for each in of_kind(overlay, "Deployment", "Job", "StatefulSet").values():
        for one in container(each).get("env", []):
            secret = re.search("AUTH|PASS|BROKER", one["name"]) is not None
            in_file = str(one.get("value", "")).startswith("/run/secrets/")
            assert secret == ("valueFrom" in one or in_file), one["name"]


def test_no_file_holds_a_secret() -> None:
    assert [kind for overlay in OVERLAYS for kind, _ in objects(overlay) if kind == "Secret"] == []
    for path in FOLDER.rglob("*.yaml"):
        text = path.read_text()
        assert "secretGenerator" not in text, path.name
        assert re.findall(r"://[^\s/:@]+:[^\s/@]+@", text.replace("user:password@", "")) == []


def keys_created(secret: str) -> set[str]:
    """Return the keys that the commands of the document give to a Secret."""
    commands = re.findall(rf"create secret generic {secret} ((?:.*\\\n)*.*)", PAGE.read_text())
    assert commands, secret
    return set(re.findall(r"--from-(?:literal|file)=([A-Z_]+)=", "\n".join(commands)))


def named(value: Any, *, secret: str) -> Iterator[str]:
    """Yield the keys of a Secret that references anywhere in an object name."""
    if isinstance(value, dict):
        if value.get("name") == secret and "key" in value:
            yield value["key"]
        for part in value.values():
            yield from named(part, secret=secret)
    elif isinstance(value, list):
        for part in value:
            yield from named(part, secret=secret)


@pytest.mark.parametrize("secret", ["notifications", "notifications-servers"])
def test_the_document_creates_every_key_that_is_named(secret: str) -> None:
    wanted: set[str] = set()
    for overlay in OVERLAYS:
        for each in objects(overlay).values():
            wanted |= set(named(each, secret=secret))
        if secret == "notifications":
            files = [value for value in variables(overlay).values() if value.startswith(SECRETS)]
            wanted |= {Path(value).name for value in files}
    if secret == "notifications-servers":
        wanted.add("POSTGRES_PASSWORD")

    assert wanted
    assert wanted - keys_created(secret) == set()


def test_the_secret_is_mounted_where_the_variables_name_it() -> None:
    for each in processes("production").values():
        volumes = {volume["name"]: volume for volume in pod(each)["volumes"]}
        assert volumes["secrets"]["secret"]["secretName"] == "notifications"
        for part in containers(each):
            mounts = {mount["name"]: mount for mount in part["volumeMounts"]}
            assert mounts["secrets"]["mountPath"] == SECRETS
            assert mounts["secrets"]["readOnly"] is True


def test_the_placeholders_of_production_are_named_in_the_document() -> None:
    page = PAGE.read_text()
    ingress = yaml.safe_load((FOLDER / "overlays/production/ingress.yaml").read_text())
    (host,) = ingress["spec"]["tls"][0]["hosts"]

    assert variables("production")["PUBLIC_URL"] == f"https://{host}"
    assert ingress["spec"]["rules"][0]["host"] == host
    assert host in variables("production")["ALLOWED_HOSTS"].split(",")
    for name in ("TRUSTED_PROXIES", "DEFAULT_FROM_EMAIL", "SMTP_HOST", "ALLOWED_HOSTS"):
        assert f"`{name}`" in page, name
