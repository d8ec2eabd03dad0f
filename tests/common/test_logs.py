"""One JSON object a line, with the id that follows a request, and nothing personal in it."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings as project
from rest_framework.test import APIClient

from apps.common.correlation import correlated
from apps.common.logs import logging_config
from apps.notifications.delivery.deliver import deliver
from apps.notifications.models import Notification
from apps.notifications.queues import Channel
from apps.users import api_keys
from apps.users.models import User
from tests.common.urls import SECRET
from tests.notifications.cast import body


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Write the log, as the project formats it, where the test can read it."""
    config = logging_config(level="DEBUG", format_name="json")
    formatter: Any = config["formatters"]["structured"]
    captured = io.StringIO()
    handler = logging.StreamHandler(captured)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=formatter["processors"], foreign_pre_chain=formatter["foreign_pre_chain"]
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    yield captured
    root.removeHandler(handler)


def read(captured: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.getvalue().splitlines()]


def test_a_line_is_one_object_with_the_usual_members(lines: io.StringIO) -> None:
    with correlated("corr-1", task="t"):
        structlog.get_logger("tests").warning("it happened\nover two lines", count=2)
        logging.getLogger("library").warning("of a %s", "library")
    ours, library = read(lines)
    assert ours["event"] == "it happened\nover two lines"
    assert (ours["level"], ours["count"], ours["correlation_id"]) == ("warning", 2, "corr-1")
    assert ours["at"].endswith("Z")
    assert library["event"] == "of a library"
    assert (library["logger"], library["correlation_id"]) == ("library", "corr-1")


def test_an_exception_is_told_without_the_values_of_its_variables(
    lines: io.StringIO, client: Any, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.common.urls"
    client.raise_request_exception = False
    assert client.get("/fails/rest").status_code == 500
    assert "ZeroDivisionError" in lines.getvalue()
    assert SECRET not in lines.getvalue()


@pytest.mark.django_db
def test_the_life_of_a_mail_is_told_without_a_word_about_its_recipient(
    lines: io.StringIO, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(name="Alice Liddell")
    _, key = api_keys.create(name="shop")
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    asked = body(alice, variables={"name": "Wonderland-7", "link": "https://example.com/secret-9"})
    answer = caller.post(
        "/api/v1/notifications/", asked, format="json", HTTP_X_CORRELATION_ID="corr-7"
    )
    row = Notification.objects.get()
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=0)
    ours = [line for line in read(lines) if line.get("notification_id") == answer.json()["id"]]
    assert [line["event"] for line in ours] == ["notification accepted", "notification attempted"]
    assert {line["correlation_id"] for line in ours} == {"corr-7"}
    assert ours[0]["client"] == "shop"
    assert (ours[1]["status"], ours[1]["provider"], ours[1]["attempt"]) == (
        "delivered",
        "sandbox",
        1,
    )
    told = lines.getvalue()
    secrets = [key, "alice@example.com", "Liddell", "Wonderland-7", "secret-9", "token-alice"]
    assert [secret for secret in secrets if secret in told] == []


@pytest.mark.django_db
def test_a_refusal_tells_no_values(lines: io.StringIO, shop: APIClient, alice: User) -> None:
    asked = body(alice, variables={"name": "Wonderland-7"})
    assert shop.post("/api/v1/notifications/", asked, format="json").status_code == 422
    assert "Wonderland-7" not in lines.getvalue()
    assert "alice@example.com" not in lines.getvalue()


@pytest.mark.parametrize("format_name", ["json", "console"])
def test_the_configuration_is_one_that_python_takes(format_name: str) -> None:
    config = logging_config(level="INFO", format_name=format_name)
    assert config["root"] == {"handlers": ["stderr"], "level": "INFO"}
    try:
        logging.config.dictConfig(config)
    finally:
        logging.config.dictConfig(project.LOGGING)
