"""Every error answer is a problem document; only browsers get HTML pages."""

import logging
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.test import APIClient

from apps.common.rest.problems import (
    FieldError,
    Problem,
    field_errors,
    impossible,
    invalid,
    pointer_to,
    problem_body,
)
from apps.users.models import User
from tests.common.urls import SECRET
from tests.notifications.factories import client_with
from tests.notifications.problems import assert_problem

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def failing(settings: Any) -> Client:
    settings.ROOT_URLCONF = "tests.common.urls"
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/fails/rest", "/fails/plain"])
def test_an_internal_error_is_a_500_problem_without_details(
    failing: Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    problem = assert_problem(failing.get(path), 500)
    assert problem["code"] == "internal_error"
    assert problem["instance"] == path
    assert problem["detail"] == ("Something went wrong on our side; the correlation id finds it.")
    whole = str(problem)
    assert "Traceback" not in whole
    assert "ZeroDivision" not in whole
    assert SECRET not in whole
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_even_in_debug_mode_a_program_gets_no_html_page(failing: Client, settings: Any) -> None:
    settings.DEBUG = True
    for path in ("/fails/plain", "/fails/rest", "/nowhere"):
        answer = failing.get(path)
        assert answer["Content-Type"] == "application/problem+json"
        assert b"Traceback" not in answer.content
        assert SECRET.encode() not in answer.content


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/problem+json"])
def test_a_missing_path_is_a_problem_for_programs(client: Client, accept: str) -> None:
    problem = assert_problem(client.get("/nowhere", HTTP_ACCEPT=accept), 404)
    assert problem["code"] == "not_found"
    assert problem["title"] == "Not found"


def test_a_missing_path_is_a_page_for_a_browser(client: Client) -> None:
    answer = client.get("/nowhere", HTTP_ACCEPT=BROWSER)
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.django_db
def test_an_unsupported_response_format_is_a_406_problem() -> None:
    answer = client_with().get("/api/v1/notifications/", HTTP_ACCEPT="application/xml")
    assert_problem(answer, 406)


@pytest.mark.django_db
def test_a_form_without_its_csrf_token_is_a_403_problem(charlie: User) -> None:
    caller = Client(enforce_csrf_checks=True)
    caller.force_login(charlie)
    answer = caller.post("/api/v1/notifications/", "{}", content_type="application/json")
    assert_problem(answer, 403)
    page = caller.post("/admin/login/", {"username": "x"})
    assert_problem(page, 403)


def test_an_unknown_host_is_a_400_problem(client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["notifications.example.com"]
    assert_problem(client.get("/api/v1/", HTTP_HOST="evil.example.com"), 400)


@pytest.mark.django_db
def test_a_documentation_page_refuses_other_methods_with_a_405() -> None:
    for path in ("/api/docs/", "/api/redoc/"):
        for method in ("OPTIONS", "POST", "DELETE"):
            answer = APIClient(raise_request_exception=False).generic(method, path)
            assert assert_problem(answer, 405)["code"] == "method_not_allowed"
            assert "Allow" in answer


def test_pointers_are_escaped_as_rfc_6901_says() -> None:
    assert pointer_to() == ""
    assert pointer_to("variables", "a/b", 0, "m~n", "") == "/variables/a~1b/0/m~0n/"


@given(steps=st.lists(st.text()))
def test_a_pointer_can_be_split_into_its_steps_again(steps: list[str]) -> None:
    read = [
        step.replace("~1", "/").replace("~0", "~") for step in pointer_to(*steps).split("/")[1:]
    ]
    assert read == steps


def test_each_nested_error_has_a_pointer() -> None:
    detail = {
        "email": [serializers.ErrorDetail("Wrong.", code="invalid")],
        "devices": [{}, {"token": [serializers.ErrorDetail("Missing.", code="required")]}],
        "non_field_errors": [serializers.ErrorDetail("No.", code="no")],
    }
    assert list(field_errors(detail)) == [
        FieldError(pointer="/email", code="invalid", detail="Wrong."),
        FieldError(pointer="/devices/1/token", code="required", detail="Missing."),
        FieldError(pointer="", code="no", detail="No."),
    ]


def test_invalid_is_a_400_and_impossible_is_a_422() -> None:
    wrong = invalid("/priority", "out_of_range", "Expected 0 to 9.")
    assert (wrong.status_code, wrong.problem_code) == (400, "invalid")
    cannot = impossible("/user_id", "unknown_user", "There is no such user.")
    assert (cannot.status_code, cannot.problem_code) == (422, "unknown_user")
    assert cannot.errors == [
        FieldError(pointer="/user_id", code="unknown_user", detail="There is no such user.")
    ]


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, 500, 503]
)
def test_every_status_has_a_code_of_its_own(status: int) -> None:
    problem = Problem(status, "No.")
    assert problem.problem_code
    made = problem_body(status=status, detail="No.", code=problem.problem_code, instance="/x")
    assert list(made) == [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "correlation_id",
        "errors",
    ]
