"""A request for an unknown host gets a clear error, and is logged at most once a minute."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from structlog.testing import capture_logs

from tests.notifications.conftest import ahead
from tests.notifications.problems import assert_problem

__all__ = ["ahead"]

LINE = "a host that is not served was asked for"


@pytest.fixture(autouse=True)
def served(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["notify.example.com"]


def ask(host: str, path: str = "/api/v1/notifications/", **headers: Any) -> Any:
    return Client().get(path, HTTP_HOST=host, **headers)


@pytest.mark.parametrize("path", ["/", "/health/live", "/api/v1/users/", "/admin/", "/nowhere"])
def test_a_host_that_is_not_served_gets_a_problem_with_the_reason(path: str) -> None:
    problem = assert_problem(ask("evil.example", path), 400)
    assert problem["code"] == "host_not_served"
    assert "ALLOWED_HOSTS" in problem["detail"]
    assert "evil" not in str(problem)


@pytest.mark.parametrize("path", ["/", "/api/v1/users/", "/admin/", "/nowhere"])
def test_a_browser_at_a_host_that_is_not_served_gets_a_page_with_the_reason(path: str) -> None:
    answer = ask("evil.example", path, HTTP_ACCEPT="text/html")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "ALLOWED_HOSTS" in page
    assert "evil" not in page
    # On this host every link would lead to the same page.
    assert "Front page" not in page


@pytest.mark.parametrize("host", ["a b", "notify.example.com:port", "evil@notify.example.com", " "])
def test_an_invalid_host_is_not_served_either(host: str) -> None:
    assert assert_problem(ask(host), 400)["code"] == "host_not_served"


def test_a_served_host_is_answered_and_not_logged() -> None:
    with capture_logs() as lines:
        assert ask("notify.example.com", "/health/live").status_code == 200
    assert [line for line in lines if line["event"] == LINE] == []


def test_the_log_has_at_most_one_line_a_minute_with_the_host(
    ahead: Callable[[float], None],
) -> None:
    client = Client()
    with capture_logs() as lines:
        for host in ("evil.example", "worse.example"):
            client.get("/", HTTP_HOST=host)
        ahead(59)
        client.get("/", HTTP_HOST="third.example")
        ahead(2)
        client.get("/", HTTP_HOST="last.example")
    logged = [line for line in lines if line["event"] == LINE]
    assert [line["host"] for line in logged] == ["evil.example", "last.example"]
    assert {line["log_level"] for line in logged} == {"warning"}


def test_the_host_in_the_log_is_truncated_and_has_no_control_characters() -> None:
    with capture_logs() as lines:
        ask("\x1b[31m" + "x" * 10_000)
    (logged,) = [line for line in lines if line["event"] == LINE]
    assert logged["host"].startswith("\\x1b[31mxxx")
    assert len(logged["host"]) < 300
