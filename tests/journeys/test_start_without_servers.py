"""A server that is unreachable stops no process: each one starts, says so, and goes on trying."""

import time
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import services
from tests.fakes.proxy import Proxy
from tests.journeys.http import Api, until
from tests.journeys.installation import ROLES, Installation

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

# The longest time in which a process tries to reach a server before it gives up a first attempt.
WATCHED_SECONDS = 20.0
STARTED = (*ROLES, "flower")


def through(proxy: Proxy, address: str) -> str:
    """Return an address with the proxy in the place of its server."""
    given = urlsplit(address)
    credentials, at, _ = given.netloc.rpartition("@")
    return given._replace(netloc=f"{credentials}{at}127.0.0.1:{proxy.port}").geturl()


@dataclass(frozen=True, kw_only=True)
class Unreachable:
    """An installation, and the proxies of its three servers."""

    installation: Installation
    proxies: tuple[Proxy, ...]

    def cut_off(self) -> None:
        for proxy in self.proxies:
            proxy.stop_serving()

    def reconnect(self) -> None:
        for proxy in self.proxies:
            proxy.serve_again()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Unreachable]:
    with ExitStack() as stack:
        database, cache = (
            stack.enter_context(Proxy(target_port=urlsplit(address).port or usual))
            for address, usual in ((services.DATABASE_URL, 5432), (services.REDIS_URL, 6379))
        )
        installation = Installation(tmp_path, REDIS_URL=through(cache, services.REDIS_URL))
        installation.settings["DATABASE_URL"] = through(database, installation.database_url)
        stack.enter_context(installation)
        yield Unreachable(installation=installation, proxies=(database, cache, installation.broker))


def is_alive(api: Api) -> bool:
    try:
        return api.call("GET", "/health/live").status == 200
    except urllib.error.URLError:
        return False


def lines_since_start(installation: Installation, role: str) -> str:
    return (installation.folder / f"{role}.log").read_text()


def test_each_process_starts_without_any_server_and_works_when_they_answer(
    servers: Unreachable,
) -> None:
    installation = servers.installation
    api = installation.api()
    template, alice = api.mail_template(), api.user("alice")
    for process in installation.processes.values():
        process.kill()
    servers.cut_off()
    for role in STARTED:
        (installation.folder / f"{role}.log").unlink(missing_ok=True)
        installation.start(role)

    until(lambda: is_alive(api), within=30, what="the web process")
    ready = api.call("GET", "/health/ready")
    time.sleep(WATCHED_SECONDS)
    running = {role: installation.processes[role].running for role in STARTED}
    said = {role: lines_since_start(installation, role) for role in STARTED}
    servers.reconnect()
    installation.wait_until_ready()
    sent = api.send("email", alice, template)

    assert running == dict.fromkeys(STARTED, True), said
    assert ready.status == 503
    failed = {row["name"] for row in ready.body["checks"] if row["status"] != "ok"}
    assert {"database", "broker", "cache"} <= failed
    for role in ("email", "push", "scheduler", "recorder"):
        assert "Traceback" not in said[role], said[role]
        assert "refused" in said[role].lower() or "unavailable" in said[role], said[role]
    # The web process may have no connection to the broker yet: then the sweep finds the row.
    assert api.ended(sent, within=150)["status"] == "sent"


def test_a_request_without_a_database_is_a_problem_and_no_error_of_the_server(
    servers: Unreachable,
) -> None:
    api = servers.installation.api()
    template, alice = api.mail_template(), api.user("alice")
    servers.cut_off()
    try:
        answers = [
            api.call("GET", "/api/v1/notifications/"),
            api.call("POST", "/api/v1/users/login", {"email": "a@example.com", "password": "no"}),
            api.call(
                "POST",
                "/api/v1/notifications/",
                {"notification_type": "email", "user_id": alice, "template_code": template},
            ),
        ]
    except urllib.error.URLError as error:
        pytest.fail(f"no answer: {error}")
    finally:
        servers.reconnect()

    assert [answer.status for answer in answers] == [503, 503, 503]
    assert {answer.body["code"] for answer in answers} == {"unavailable"}
