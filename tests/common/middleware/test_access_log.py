"""The access log: one line for each request, without what a caller may not want to be written."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from structlog.testing import capture_logs

pytestmark = pytest.mark.django_db


def lines(path: str, **headers: str) -> list[Any]:
    # The client makes the middleware anew, with the settings of the test.
    with capture_logs() as written:
        Client().get(path, headers=headers)
    return [line for line in written if line["event"] == "request"]


def test_each_request_has_a_line_with_its_status_and_time(settings: Any) -> None:
    settings.ACCESS_LOG = True
    (line,) = lines("/health/live")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/health/live", 200)
    assert line["duration_ms"] >= 0


def test_a_line_has_neither_ids_nor_queries(settings: Any) -> None:
    settings.ACCESS_LOG = True
    pk = str(uuid4())
    (line,) = lines(f"/api/v1/users/{pk}?email=ada@example.com")
    assert line["status"] == 401
    assert pk not in str(line)
    assert "ada@example.com" not in str(line)


def test_an_unknown_path_is_cut(settings: Any) -> None:
    settings.ACCESS_LOG = True
    (line,) = lines("/" + "x" * 5000)
    assert line["status"] == 404
    assert len(line["route"]) == 200


def test_no_line_is_written_where_it_is_off(settings: Any) -> None:
    settings.ACCESS_LOG = False
    assert lines("/health/live") == []
