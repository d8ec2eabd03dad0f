"""The page of systemd, followed: from nothing to a mail that an SMTP server took."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests import services
from tests.deployment.test_systemd_units import analyze
from tests.deployment.units import read_variables, units
from tests.documents.blocks import Block, blocks_of
from tests.fakes.smtp_server import SmtpServer
from tests.journeys.http import until
from tests.journeys.installation import Installation
from tests.journeys.machine import UNITS, Machine
from tests.journeys.processes import free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

PAGE = "docs/deployment/systemd.md"
FIRST_MAIL = ("docs/deployment.md", "export API=https://notify.example.com/api/v1 KEY=nk_live_...")
# The blocks of the page in their order.
PACKAGES, CODE, VARIABLES, START, PROXY, ACCOUNT, RELEASE = range(7)
PERMANENT = [name for name in units() if name != "setup"]


def block(name: tuple[str, str]) -> Block:
    (found,) = (each for each in blocks_of(name[0]) if each.name == name)
    return found


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    found.close()


@pytest.fixture
def database_url() -> Iterator[str]:
    name = f"systemd_{uuid4().hex[:8]}"
    with psycopg.connect(services.DATABASE_URL, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield f"{services.DATABASE_URL.rpartition('/')[0]}/{name}"
    with psycopg.connect(services.DATABASE_URL, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - loopback.
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def _nobody_else(installation: Installation) -> Iterator[None]:
    with installation.gone():
        yield


@pytest.mark.usefixtures("_nobody_else")
def test_who_follows_the_page_gets_a_mail_delivered(
    machine: Machine, database_url: str, smtp: SmtpServer
) -> None:
    page = list(blocks_of(PAGE))

    machine.follow(page[PACKAGES])
    machine.follow(page[CODE])
    machine.follow(page[VARIABLES])
    given = read_variables(machine.settings)
    made = ("SECRET_KEY", "METRICS_TOKEN", "FLOWER_BASIC_AUTH", "DATABASE_URL", "BROKER_URL")
    assert all(given[name] for name in made)
    assert machine.settings.stat().st_mode & 0o777 == 0o640
    # The servers were given the passwords that the file has.
    for name in ("DATABASE_URL", "BROKER_URL"):
        (password,) = re.findall(r":(\w+)@", given[name])
        assert any(password in call for call in machine.calls), name

    # The servers of the tests stand in for those of the machine.
    machine.edit(
        DATABASE_URL=database_url,
        BROKER_URL=services.BROKER_URL,
        REDIS_URL=services.REDIS_URL,
        SMTP_HOST="127.0.0.1",
        SMTP_PORT=str(smtp.port),
        SMTP_TLS="none",
    )
    machine.follow(page[START].without("systemctl", "systemd-analyze"))
    machine.place_units_here()
    verified = analyze("verify", f"{machine.root}{UNITS}/notifications.target")
    assert (verified.returncode, ours(verified.stdout + verified.stderr)) == (0, "")

    setup = machine.start("setup")
    until(lambda: not setup.running, within=120, what="the migrations")
    assert setup.stop() == 0, machine.log("setup")
    web, flower = str(free_port()), str(free_port())
    for name in PERMANENT:
        ports = {"web": {"PORT": web}, "flower": {"FLOWER_PORT": flower}}
        machine.start(name, **ports.get(name, {}))
    until(
        lambda: answers(f"http://127.0.0.1:{web}/health/ready"), within=90, what="web to be ready"
    )
    until(lambda: answers(f"http://127.0.0.1:{flower}/healthcheck"), within=90, what="Flower")
    machine.follow(page[PROXY])

    staff = {"DJANGO_SUPERUSER_PASSWORD": "correct-horse-battery", "DJANGO_SUPERUSER_NAME": "Ops"}
    account = page[ACCOUNT].replaced(
        "createsuperuser", "createsuperuser --noinput --email ops@example.com --name Ops"
    )
    until(lambda: is_well(machine, page[ACCOUNT]), within=90, what="all to be well")
    key = re.findall(r"nk_live_\S+", machine.follow(account, **staff))[-1]

    first = block(FIRST_MAIL).replaced("https://notify.example.com", f"http://127.0.0.1:{web}")
    printed = machine.follow(first.replaced("nk_live_...", key))
    assert '"status":"pending"' in printed
    until(lambda: smtp.mails, within=60, what="the mail")
    (mail,) = smtp.mails
    assert mail.recipient == "you@example.com"
    assert mail.parsed["Subject"] == "Hello Ada"

    for name, process in machine.processes.items():
        if name != "setup":
            assert process.running, (name, machine.log(name))
            # What systemd counts as a good end: 0, or SIGTERM itself.
            assert process.stop(within=100) in {0, -15, 143}, (name, machine.log(name))

    machine.follow(page[RELEASE])
    order = [call for call in machine.calls if "notifications.target" in call]
    assert [call.split()[1] for call in order] == ["stop", "start"]


def is_well(machine: Machine, account: Block) -> bool:
    """Return whether ``notify doctor``, the last command of the block, finds nothing."""
    doctor = account.only(account.steps[0], account.steps[-1])
    try:
        return "every queue has a worker" in machine.follow(doctor)
    except AssertionError:
        return False


def ours(text: str) -> str:
    """Return the lines about our units; a machine may have others that are not in order."""
    return "\n".join(line for line in text.splitlines() if "notifications" in line)


def test_the_page_tells_systemd_to_start_everything() -> None:
    commands = [step.command for step in list(blocks_of(PAGE))[START].steps]

    assert "sudo systemctl enable --now notifications.target" in commands
    assert commands.index("sudo systemctl daemon-reload") == len(commands) - 3


def test_the_first_mail_is_json_that_the_shell_hands_over_whole() -> None:
    for step in block(FIRST_MAIL).steps:
        for body in re.findall(r"-d '(\{.*?\})'", step.command, re.DOTALL):
            assert json.loads(body.replace("'$USER_ID'", "id"))
