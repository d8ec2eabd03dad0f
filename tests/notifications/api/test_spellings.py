"""Every path answers with and without its trailing slash, for every method, with no redirect."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from apps.common.ids import new_id
from tests.fakes.sendgrid_events import EventSigner
from tests.notifications.factories import client_with
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db

EXAMPLES: dict[str, Any] = {
    "user_id": UUID(int=7 << 76 | 2 << 62),
    "template_code": "welcome",
    "number": 1,
}


def api_patterns(resolver: Any = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            # The login pages below api/auth/ belong to Django REST framework.
            if path.startswith("api/v1/"):
                yield from api_patterns(pattern, path)
        elif path.startswith(("api/", "health/", "metrics")):
            yield path, pattern


def example_path(path: str) -> str:
    steps = []
    for step in path.split("/"):
        if step.startswith("<"):
            converter, _, name = step.strip("<>").partition(":")
            value = new_id() if converter == "uuid" else EXAMPLES.get(name, 1)
            steps.append(str(value))
        else:
            steps.append(step)
    return "/" + "/".join(steps)


PATHS = sorted({path.rstrip("/") for path, _ in api_patterns()})
# Readiness checks the connection itself, which fails inside the transaction of a test.
WITHIN_A_TRANSACTION = [path for path in PATHS if path != "health/ready"]


def test_each_url_pattern_exists_with_and_without_a_slash() -> None:
    spelled = {path for path, _ in api_patterns()}
    assert spelled == {path + end for path in PATHS for end in ("", "/")}
    assert len(PATHS) > 25


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", WITHIN_A_TRANSACTION)
def test_a_path_answers_alike_with_and_without_a_slash(
    path: str, method: str, settings: Any
) -> None:
    # Without a key this endpoint does not exist.
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [EventSigner().public_key]
    example = example_path(path)
    answers = []
    for spelling in (example, f"{example}/"):
        caller: APIClient = client_with(client="speller")
        answer = caller.generic(method, spelling, "{}", content_type="application/json")
        assert not 300 <= answer.status_code < 400
        assert answer.status_code < 500
        assert (answer.status_code == 404) is False or "<" in path
        answers.append((answer.status_code, answer.get("Content-Type")))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere", "/api/v1/notifications/x/y", "/nowhere", "/api", "/api/v2/users/"]
)
def test_an_unknown_path_is_a_404_problem(path: str) -> None:
    caller = APIClient(raise_request_exception=False)
    for method in ("GET", "POST", "DELETE"):
        assert_problem(caller.generic(method, path), 404)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/notifications/", "GET, POST, HEAD, OPTIONS"),
        ("/api/v1/notifications/bulk", "POST, OPTIONS"),
        ("/api/v1/services/", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_a_405_that_names_the_allowed_ones(path: str, allowed: str) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE"):
        answer = client_with().generic(method, path, "{}", content_type="application/json")
        assert assert_problem(answer, 405)["code"] == "method_not_allowed"
        assert set(answer["Allow"].split(", ")) == set(allowed.split(", "))
