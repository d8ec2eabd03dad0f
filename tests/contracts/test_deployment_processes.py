"""The processes of every deployment match the code: lanes, roles, health checks, start and stop."""

import ast
import configparser
import inspect
import re
from collections import Counter
from typing import Any

import pytest
from django.conf import settings

from apps.common.channels import Channel
from apps.notifications.broker import topology
from apps.notifications.delivery import send
from apps.notifications.operations import heartbeat
from apps.notifications.providers import time_limits
from apps.notifications.providers.fcm.provider import FcmProvider
from apps.notifications.providers.sendgrid import SendGridProvider
from apps.notifications.providers.smtp.provider import SmtpProvider
from tests.contracts.deployment_files import (
    ALL_SERVICES,
    ONE_SHOT,
    ONE_SHOTS,
    OUR_SERVICES,
    RENDER,
    ROOT,
    SERVICES,
    environment_calls,
)

# For recording a call: its SQL statement may take up to 15 s.
RECORD_SECONDS = 15


def lanes_of(text: str) -> list[str]:
    return [lane.strip() for lane in text.split(",")]


def supervisor_config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "docker" / "stack.conf")
    return parser


def lanes_in_stack() -> list[str]:
    conf = supervisor_config()
    commands = [conf[name]["command"] for name in conf.sections() if "command" in conf[name]]
    workers = [re.search(r" worker -Q (\S+)", command) for command in commands]
    return [lane for found in workers if found for lane in lanes_of(found[1])]


def lanes_in_compose() -> list[str]:
    commands = [service.get("command", []) for service in SERVICES.values()]
    return [lane for words in commands if words[:1] == ["worker"] for lane in lanes_of(words[1])]


def lanes_in_render() -> list[str]:
    commands = [service.get("dockerCommand", "") for service in RENDER["services"]]
    workers = [
        re.search(r"entrypoint\.sh (?:after-setup )?worker (\S+)", command) for command in commands
    ]
    return [lane for found in workers if found for lane in lanes_of(found[1])]


@pytest.mark.parametrize("lanes", [lanes_in_compose, lanes_in_stack, lanes_in_render])
def test_every_queue_of_workers_has_exactly_one(lanes: Any) -> None:
    assert Counter(lanes()) == Counter(topology.WORKER_QUEUES)


@pytest.mark.parametrize("channel", list(Channel))
def test_an_urgent_lane_has_a_process_of_its_own(channel: str) -> None:
    words = [service["command"][1] for service in SERVICES.values() if is_worker(service)]
    assert f"{channel}.urgent" in words
    assert f"{channel},{channel}.bulk" in words


def test_the_webhooks_have_a_worker_of_their_own() -> None:
    """Its process has an event loop and a client of its own, and needs no provider."""
    words = [service["command"][1] for service in SERVICES.values() if is_worker(service)]
    assert topology.WEBHOOKS.name in words


def test_the_number_of_processes_of_each_kind_is_a_variable() -> None:
    given = {
        name: SERVICES[name]["environment"].get("CONCURRENCY")
        for name in OUR_SERVICES
        if is_worker(SERVICES[name])
    }
    assert {name: value for name, value in given.items() if value} == {
        "email": "${EMAIL_WORKERS:-1}",
        "push": "${PUSH_WORKERS:-1}",
        "webhooks": "${WEBHOOK_WORKERS:-1}",
    }
    stack = supervisor_config()
    for name, value in given.items():
        words = stack[f"program:{name}"]["command"]
        variable = re.search(r"[A-Z]+_WORKERS", value or "")
        assert f"--concurrency {f'%(ENV_{variable[0]})s' if variable else 1} " in words, name


def is_worker(service: dict[str, Any]) -> bool:
    return bool(service.get("command", [])[:1] == ["worker"])


def test_the_stack_and_compose_have_the_same_processes() -> None:
    sections = supervisor_config().sections()
    programs = {name.partition(":")[2] for name in sections if name.startswith("program:")}
    assert programs == set(OUR_SERVICES) - {ONE_SHOT}


def test_the_processes_of_the_stack_are_stopped_together() -> None:
    group = supervisor_config()["group:stack"]["programs"].split(",")
    assert set(group) == set(OUR_SERVICES) - {ONE_SHOT}


def test_a_role_of_compose_is_known_to_the_entrypoint() -> None:
    known = set(
        re.findall(
            r"^    ([a-z-]+)\)", (ROOT / "docker" / "entrypoint.sh").read_text(), re.MULTILINE
        )
    )
    assert {SERVICES[name]["command"][0] for name in OUR_SERVICES} == known


def test_every_permanent_service_has_a_health_check_and_a_restart_policy() -> None:
    for name, service in ALL_SERVICES.items():
        if name in ONE_SHOTS:
            assert service["restart"] == "no"
            continue
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name
        # A machine that starts everything at once is slow, and a success ends the period.
        assert seconds(service["healthcheck"]["start_period"]) >= 60, name


def test_every_start_is_ordered_by_a_condition() -> None:
    for name in OUR_SERVICES:
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
    conf = supervisor_config()
    return {
        name: int(conf[name]["stopwaitsecs"])
        for name in conf.sections()
        if " worker -Q" in conf[name].get("command", "")
    }


def graces_in_render() -> dict[str, int]:
    return {
        service["name"]: service["maxShutdownDelaySeconds"]
        for service in RENDER["services"]
        if " worker " in service.get("dockerCommand", "")
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
    assert len(found) == 5
    assert min(found.values()) > longest_of_a_message()
    assert min(found.values()) == time_limits.SHIPPED_GRACE_SECONDS


def test_a_soft_shutdown_waits_for_the_longest_call_and_ends_before_the_kill() -> None:
    waits = settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT
    assert longest_of_a_message() <= waits < time_limits.SHIPPED_GRACE_SECONDS


def test_a_bulk_message_starts_calls_for_no_longer_than_others() -> None:
    assert send.BULK_CHUNK_SECONDS <= time_limits.BEGIN_SECONDS


def test_other_services_have_at_least_thirty_seconds_to_stop() -> None:
    for name, service in ALL_SERVICES.items():
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


def test_the_health_check_and_the_heartbeat_use_the_same_time_limit() -> None:
    text = (ROOT / "docker" / "healthcheck.py").read_text()
    found = re.search(r"^ALIVE_SECONDS = (\d+)$", text, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == heartbeat.ALIVE_FOR.total_seconds()


def test_the_image_names_a_heartbeat_file_that_can_be_written() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    file = re.search(r"HEARTBEAT_FILE=(\S+)", text)
    assert file is not None
    for name in OUR_SERVICES:
        assert any(file[1].startswith(f"{place}/") for place in SERVICES[name]["tmpfs"]), name


@pytest.mark.parametrize("name", ["stack.conf", "entrypoint.sh"])
def test_flower_keeps_a_limited_number_of_tasks(name: str) -> None:
    (command,) = re.findall(r"celery .* flower .*", (ROOT / "docker" / name).read_text())

    assert "--max-tasks=5000" in command
    assert "--conf=docker/flower.py" in command
    # Every worker sends events anyway: tests/notifications/broker/test_worker.py.
    assert "--enable_events=False" in command


@pytest.mark.parametrize("name", ["stack.conf", "entrypoint.sh"])
def test_bodies_are_received_before_a_thread_handles_the_request(name: str) -> None:
    commands = (ROOT / "docker" / name).read_text().replace("\\\n", " ")

    # Only this server, whose threads get complete requests only.
    assert len(re.findall(r"python -m notifications_project\.web --host ", commands)) == 1
    assert not re.findall(r"granian|gunicorn|uvicorn|runserver", commands)
