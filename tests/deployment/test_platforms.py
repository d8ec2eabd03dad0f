"""The files of every platform start what docker-compose.yml starts, with the variables it needs."""

import os
import re
import secrets
import subprocess
from collections import Counter

import pytest

from apps.notifications.broker import topology
from tests.contracts.deployment_files import ROOT, environment_calls
from tests.deployment.processes import (
    PLATFORMS,
    SECRET,
    Started,
    compose,
    compose_stop_seconds,
)
from tests.journeys.processes import BIN, bare_environment

SERVERS = {"DATABASE_URL", "BROKER_URL", "REDIS_URL"}
REQUIRED = SERVERS | {"SECRET_KEY", "ALLOWED_HOSTS", "PUBLIC_URL"}
# Without them a process would send nothing, count all callers as one, or hide its metrics.
EXPECTED = REQUIRED | {
    "TRUSTED_PROXIES",
    "METRICS_TOKEN",
    "EMAIL_PROVIDERS",
    "PUSH_PROVIDERS",
    "DEFAULT_FROM_EMAIL",
}
OF_PROVIDERS = {
    "smtp": {"SMTP_HOST", "SMTP_USERNAME", "SMTP_PASSWORD"},
    "sendgrid": {"SENDGRID_API_KEY"},
}
# What an operator, or the platform, gives.
GIVEN = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "METRICS_TOKEN": secrets.token_urlsafe(24),
    "FLOWER_BASIC_AUTH": f"flower:{secrets.token_urlsafe(24)}",
    "DATABASE_URL": "postgres://user:pass-4f9c1d7b@db.example.com:5432/notifications?sslmode=require",
    "BROKER_URL": "amqps://user:pass-4f9c1d7b@mq.example.com:5671/vhost",
    "REDIS_URL": "rediss://cache.example.com:6379/0",
    "PUBLIC_URL": "https://notify.example.com",
    "ALLOWED_HOSTS": "notify.example.com,127.0.0.1",
    "TRUSTED_PROXIES": "172.31.0.0/16",
    "DEFAULT_FROM_EMAIL": "Example <notify@example.com>",
    "SMTP_HOST": "smtp.example.com",
    "PUSH_PROVIDERS": "fcm",
}
SECRETS = re.compile(r"SECRET|PASSWORD|API_KEY|TOKEN|AUTH|BROKER_URL|DATABASE_URL|SERVICE_ACCOUNT$")

by_platform = pytest.mark.parametrize("platform", PLATFORMS)


def processes(platform: str) -> dict[str, Started]:
    return PLATFORMS[platform]()


def known() -> set[str]:
    example = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))


@by_platform
def test_every_process_of_compose_is_started_with_the_same_command(platform: str) -> None:
    assert {name: each.command for name, each in processes(platform).items()} == compose()


@by_platform
def test_every_queue_of_workers_has_exactly_one(platform: str) -> None:
    commands = [each.command for each in processes(platform).values()]
    lanes = [lane for words in commands if words[0] == "worker" for lane in words[1].split(",")]

    assert Counter(lanes) == Counter(topology.WORKER_QUEUES)


@by_platform
def test_every_process_that_uses_the_schema_waits_for_the_migrations(platform: str) -> None:
    waiting = {name for name, each in processes(platform).items() if each.waits}

    # Flower does not use the database.
    assert waiting == set(compose()) - {"setup", "flower"}


@by_platform
def test_a_stopping_process_has_the_time_that_it_has_in_compose(platform: str) -> None:
    for name, each in processes(platform).items():
        if name != "setup":
            assert each.stop_seconds == compose_stop_seconds(name), name


@by_platform
def test_every_variable_is_known(platform: str) -> None:
    used = {name for each in processes(platform).values() for name in each.variables}

    assert used - known() == set()


@by_platform
def test_every_process_has_the_variables_that_it_needs(platform: str) -> None:
    for name, each in processes(platform).items():
        expected = REQUIRED if name == "setup" else EXPECTED
        assert expected - set(each.variables) == set(), name


@by_platform
def test_flower_has_its_login(platform: str) -> None:
    assert processes(platform)["flower"].variables["FLOWER_BASIC_AUTH"] == SECRET


@by_platform
def test_mails_and_pushes_are_really_sent(platform: str) -> None:
    for name, each in processes(platform).items():
        if name == "setup":
            continue
        mail = each.variables["EMAIL_PROVIDERS"]
        assert OF_PROVIDERS[mail] - set(each.variables) == set(), name
        # On AWS it is a parameter.
        assert "fcm" in each.variables["PUSH_PROVIDERS"] or platform == "aws", name
        assert {"FCM_SERVICE_ACCOUNT", "FCM_SERVICE_ACCOUNT_FILE"} & set(each.variables), name


@by_platform
def test_no_secret_has_a_value(platform: str) -> None:
    for name, each in processes(platform).items():
        given = {key: value for key, value in each.variables.items() if SECRETS.search(key)}
        assert given, name
        assert set(given.values()) == {SECRET}, name


@by_platform
def test_nothing_is_switched_on_that_a_server_on_a_network_refuses(platform: str) -> None:
    for each in processes(platform).values():
        assert "DEBUG" not in each.variables
        assert "*" not in each.variables["ALLOWED_HOSTS"]


@by_platform
def test_the_settings_accept_what_the_files_say(platform: str) -> None:
    for name in ("setup", "web", "email"):
        env = {
            key: GIVEN.get(key, "given") if value == SECRET or "{" in value else value
            for key, value in processes(platform)[name].variables.items()
        }
        done = subprocess.run(  # noqa: S603 - our own command.
            [f"{BIN}/python", "-c", "import notifications_project.settings"],
            cwd=ROOT,
            env={**bare_environment(), **env, "ENV_FILE": os.devnull},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), name


def test_the_entrypoint_reads_what_only_it_knows() -> None:
    """The variables that settings do not read are those of the entrypoint, Flower or Compose."""
    script = (ROOT / "docker" / "entrypoint.sh").read_text()
    used = {
        name
        for platform in PLATFORMS
        for each in processes(platform).values()
        for name in each.variables
    }

    others = used - set(environment_calls()) - {"FLOWER_BROKER_API"}
    assert {name for name in others if f"${{{name}" not in script} == set()
