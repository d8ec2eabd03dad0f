"""The deployment files match the code: lanes, variables, versions, health checks, start order."""

import ast
import configparser
import inspect
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from packaging.specifiers import SpecifierSet

from apps.notifications.broker import topology
from apps.notifications.delivery import send
from apps.notifications.models import Heartbeat
from apps.notifications.operations import heartbeat
from apps.notifications.providers import time_limits
from apps.notifications.providers.fcm.provider import FcmProvider
from apps.notifications.providers.sendgrid import SendGridProvider
from apps.notifications.providers.smtp.provider import SmtpProvider

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "notifications_project" / "settings" / "environment.py"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
LOOPBACK = yaml.safe_load((ROOT / "docker" / "loopback.yml").read_text())
RENDER = yaml.safe_load((ROOT / "render.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
# For recording a call: its SQL statement may take up to 15 s.
RECORD_SECONDS = 15
# It runs once and exits, so it needs no health check.
ONE_SHOT = "setup"

NAME = re.compile(r"[A-Z][A-Z0-9_]+")
EXAMPLE_LINE = re.compile(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
INTERPOLATED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")


def example() -> dict[str, str]:
    return dict(EXAMPLE_LINE.findall((ROOT / ".env.example").read_text()))


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


def written(default: ast.expr | None) -> str | None:
    """Return a literal default as written in .env.example, or None for a computed default."""
    if isinstance(default, ast.List) and not default.elts:
        return ""
    if not isinstance(default, ast.Constant):
        return None
    value = default.value
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def lanes_of(text: str) -> list[str]:
    return [lane.strip() for lane in text.split(",")]


def supervised() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "docker" / "stack.conf")
    return parser


def lanes_in_stack() -> list[str]:
    conf = supervised()
    commands = [conf[name]["command"] for name in conf.sections() if "command" in conf[name]]
    workers = [re.search(r" worker -Q (\S+)", command) for command in commands]
    return [lane for found in workers if found for lane in lanes_of(found[1])]


def lanes_in_compose() -> list[str]:
    commands = [service.get("command", []) for service in SERVICES.values()]
    return [lane for words in commands if words[:1] == ["worker"] for lane in lanes_of(words[1])]


def lanes_in_render() -> list[str]:
    commands = [service.get("dockerCommand", "") for service in RENDER["services"]]
    workers = [re.search(r"entrypoint\.sh worker (\S+)", command) for command in commands]
    return [lane for found in workers if found for lane in lanes_of(found[1])]


@pytest.mark.parametrize("lanes", [lanes_in_compose, lanes_in_stack, lanes_in_render])
def test_every_lane_has_exactly_one_worker(lanes: Any) -> None:
    assert Counter(lanes()) == Counter(list(topology.LANES))


@pytest.mark.parametrize("channel", list(topology.Channel))
def test_an_urgent_lane_has_a_process_of_its_own(channel: str) -> None:
    words = [service["command"][1] for service in SERVICES.values() if is_worker(service)]
    assert f"{channel}.urgent" in words
    assert f"{channel},{channel}.bulk" in words


def is_worker(service: dict[str, Any]) -> bool:
    return bool(service.get("command", [])[:1] == ["worker"])


def test_the_stack_and_compose_have_the_same_processes() -> None:
    sections = supervised().sections()
    programs = {name.partition(":")[2] for name in sections if name.startswith("program:")}
    assert programs == set(OURS) - {ONE_SHOT}


def test_the_processes_of_the_stack_are_stopped_together() -> None:
    group = supervised()["group:stack"]["programs"].split(",")
    assert set(group) == set(OURS) - {ONE_SHOT}


def test_a_role_of_compose_is_known_to_the_entrypoint() -> None:
    known = set(
        re.findall(
            r"^    ([a-z-]+)\)", (ROOT / "docker" / "entrypoint.sh").read_text(), re.MULTILINE
        )
    )
    assert {SERVICES[name]["command"][0] for name in OURS} == known


def test_the_example_lists_exactly_the_variables_that_are_read() -> None:
    read = set(environment_calls())
    scripts = "".join(
        (ROOT / "docker" / name).read_text() for name in ("stack.sh", "entrypoint.sh")
    )
    elsewhere = set(INTERPOLATED.findall((ROOT / "docker-compose.yml").read_text() + scripts))
    listed = set(example())
    assert read - listed == set()
    assert listed - read - elsewhere == set()
    assert set(INTERPOLATED.findall((ROOT / "docker-compose.yml").read_text())) - listed == set()


def test_the_example_shows_the_default_of_the_code() -> None:
    literal = {name: written(default) for name, default in environment_calls().items()}
    literal |= {"EMAIL_PROVIDERS": "sandbox", "PUSH_PROVIDERS": "sandbox"}
    listed = example()
    differing = {
        name: (default, listed[name])
        for name, default in literal.items()
        if default is not None and default != listed[name]
    }
    assert differing == {}


def test_a_variable_of_the_example_is_explained_and_sets_nothing_by_itself() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        assert not line or line.startswith("#"), line
        if EXAMPLE_LINE.match(line):
            assert lines[number - 1].startswith("# "), line


def test_no_secret_is_in_the_files() -> None:
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "FLOWER_BASIC_AUTH"):
        text = (ROOT / "docker-compose.yml").read_text()
        assert f"${{{name}:?" in text
        assert f"${{{name}:-" not in text
    secret = [
        entry
        for group in (*RENDER["services"], *RENDER["envVarGroups"])
        for entry in group.get("envVars", [])
        if re.search(r"SECRET|PASSWORD|KEY|TOKEN|AUTH|BROKER_URL", entry.get("key", ""))
    ]
    assert secret
    assert [entry for entry in secret if "value" in entry] == []


def test_every_image_is_pinned_to_one_version() -> None:
    for name, service in SERVICES.items():
        _, _, tag = service["image"].rpartition(":")
        assert re.match(r"v?\d+\.\d+\.\d+|\d+\.\d+-", tag), name


def test_every_permanent_service_has_a_health_check_and_a_restart_policy() -> None:
    for name, service in SERVICES.items():
        if name == ONE_SHOT:
            assert service["restart"] == "no"
            continue
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name


def test_every_start_is_ordered_by_a_condition() -> None:
    for name in OURS:
        order = SERVICES[name]["depends_on"]
        assert all(wait["condition"] for wait in order.values()), name
        if name != ONE_SHOT:
            assert order[ONE_SHOT] == {"condition": "service_completed_successfully"}, name


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def graces_in_compose() -> dict[str, int]:
    return {
        name: seconds(service["stop_grace_period"])
        for name, service in SERVICES.items()
        if is_worker(service)
    }


def graces_in_stack() -> dict[str, int]:
    conf = supervised()
    return {
        name: int(conf[name]["stopwaitsecs"])
        for name in conf.sections()
        if " worker -Q" in conf[name].get("command", "")
    }


def graces_in_render() -> dict[str, int]:
    return {
        service["name"]: service["maxShutdownDelaySeconds"]
        for service in RENDER["services"]
        if "entrypoint.sh worker" in service.get("dockerCommand", "")
    }


def default_reply_seconds() -> float:
    default = environment_calls()["SMTP_REPLY_TIMEOUT_SECONDS"]
    assert isinstance(default, ast.Constant)
    return float(str(default.value))


def longest_of_a_message() -> float:
    """Return the longest time for a message: starting calls, the last call, and its record, in s.

    The times are taken from the code, so that this test notices a change of one of them.
    """
    calls = [
        inspect.signature(provider).parameters["timeout"].default
        for provider in (SmtpProvider, SendGridProvider, FcmProvider)
    ]
    longest_call = max(calls[0] + default_reply_seconds(), *calls[1:])
    return float(time_limits.BEGIN_SECONDS + longest_call + RECORD_SECONDS)


@pytest.mark.parametrize("graces", [graces_in_compose, graces_in_stack, graces_in_render])
def test_every_grace_period_is_longer_than_the_longest_call_and_its_record(graces: Any) -> None:
    found = graces()
    assert len(found) == 4
    assert min(found.values()) > longest_of_a_message()
    assert min(found.values()) == time_limits.SHIPPED_GRACE_SECONDS


def test_a_soft_shutdown_waits_for_the_longest_call_and_ends_before_the_kill() -> None:
    waits = settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT
    assert longest_of_a_message() <= waits < time_limits.SHIPPED_GRACE_SECONDS


def test_a_bulk_message_starts_calls_for_no_longer_than_others() -> None:
    assert send.BULK_CHUNK_SECONDS <= time_limits.BEGIN_SECONDS


def test_other_services_have_at_least_thirty_seconds_to_stop() -> None:
    for name, service in SERVICES.items():
        assert seconds(service["stop_grace_period"]) >= 30, name


def test_the_system_design_states_the_time_limits_of_a_call() -> None:
    text = (ROOT / "docs" / "system_design.md").read_text()
    limits = text.partition("## Time limits")[2].partition("\n## ")[0]
    for figure in (
        f"{time_limits.SMTP_CALL_SECONDS:g} s until the final dot",
        f"{default_reply_seconds():g} s (`SMTP_REPLY_TIMEOUT_SECONDS`)",
        f"{time_limits.HTTP_CALL_SECONDS:g} s for all of it",
        f"{time_limits.HTTP_CONNECT_SECONDS:g} s to be connected",
        f"token {time_limits.TOKEN_SECONDS:g} s",
        f"{settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT:g} s (cold)",
        f"{time_limits.SHIPPED_GRACE_SECONDS} s",
    ):
        assert figure in limits


def test_every_port_is_published_on_loopback() -> None:
    for service in (*SERVICES.values(), *LOOPBACK["services"].values()):
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_our_containers_are_read_only_and_cannot_gain_privileges() -> None:
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r"^USER 10001", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)


def test_the_image_has_a_python_version_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    image = re.search(r"python:(\d+\.\d+)\.\d+-slim", (ROOT / "docker" / "Dockerfile").read_text())
    assert image is not None
    assert SpecifierSet(project["requires-python"]).contains(image[1])


def test_the_image_contains_what_the_dockerfile_copies_and_nothing_secret() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = re.findall(
        r"^COPY (?!--)(.+) \S+$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE
    )
    copied = {name for line in copies for name in line.split()}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_the_health_check_and_the_heartbeat_use_the_same_time_limit() -> None:
    text = (ROOT / "docker" / "healthcheck.py").read_text()
    found = re.search(r"^ALIVE_SECONDS = (\d+)$", text, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == heartbeat.ALIVE_FOR.total_seconds()
    assert Heartbeat._meta.db_table in text


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs"])
def test_every_link_in_the_documents_has_an_existing_target(name: str) -> None:
    place = ROOT / name
    for page in sorted(place.glob("*.md")) if place.is_dir() else [place]:
        links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
        local = [link for link in links if "://" not in link]
        assert [link for link in local if not (page.parent / link).exists()] == [], page.name


def test_the_system_design_names_every_package_that_was_chosen_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = {re.split(r"[\[<>=]", chosen)[0] for chosen in project["dependencies"]}
    text = (ROOT / "docs" / "system_design.md").read_text()
    _, _, section = text.partition("## Dependencies")
    table, _, _ = section.partition("\n## ")
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:]
    named = {name.strip().partition("[")[0] for cell in cells for name in cell.split(",")}
    assert named == packages


def test_the_system_design_names_only_modules_that_exist() -> None:
    text = (ROOT / "docs" / "system_design.md").read_text()
    pipeline = ROOT / "apps" / "notifications"
    places = [pipeline, pipeline / "providers", ROOT / "apps", ROOT / "notifications_project", ROOT]
    places += [ROOT / "apps" / "common"]
    modules = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", text))
    assert modules
    assert [name for name in modules if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("name", ["stack.conf", "entrypoint.sh"])
def test_flower_keeps_a_limited_number_of_tasks(name: str) -> None:
    (command,) = re.findall(r"celery .* flower .*", (ROOT / "docker" / name).read_text())

    assert "--max-tasks=5000" in command


@pytest.mark.parametrize("name", ["stack.conf", "entrypoint.sh"])
def test_bodies_are_received_before_a_thread_handles_the_request(name: str) -> None:
    commands = (ROOT / "docker" / name).read_text().replace("\\\n", " ")

    # Only this server, whose threads get complete requests only.
    assert len(re.findall(r"python -m notifications_project\.web --host ", commands)) == 1
    assert not re.findall(r"granian|gunicorn|uvicorn|runserver", commands)
