"""A browser gets a page for an error, a program the problem document."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.common.rest.error_pages import WORDS, spoken_wait
from apps.common.rest.problems import DEFAULT_CODES
from apps.users.models import User
from tests.common.urls import SECRET
from tests.notifications.problems import assert_problem

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ID = "an-id-of-the-caller"


@pytest.fixture
def failing(settings: Any) -> Client:
    settings.ROOT_URLCONF = "tests.common.urls"
    return Client(raise_request_exception=False)


def assert_page(answer: Any, status: int, *words: str) -> str:
    """Assert that an answer is a page with words, the way back and the correlation id."""
    assert answer.status_code == status
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    page: str = answer.content.decode()
    assert WORDS[status].title in page or "This form" in page
    correlation_id = answer["X-Correlation-ID"]
    assert f'data-copy="{correlation_id}"' in page
    for word in words:
        assert word in page
    return page


@pytest.mark.parametrize("status", sorted(DEFAULT_CODES))
def test_every_status_has_words_of_its_own(status: int) -> None:
    assert WORDS[status].title
    assert WORDS[status].advice.endswith(".")
    assert len({words.title for words in WORDS.values()}) == len(WORDS)


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/unsubscribe/forged"])
def test_a_missing_page_says_so_and_leads_back(client: Client, path: str) -> None:
    answer = client.get(path, HTTP_ACCEPT=BROWSER, HTTP_X_CORRELATION_ID=ID)

    assert answer["X-Correlation-ID"] == ID
    assert_page(answer, 404, 'href="/"', "Front page", f"GET {path}")


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "application/json, text/html;q=0.5"]
)
def test_a_program_gets_the_document_of_a_missing_page(client: Client, accept: str) -> None:
    answer = client.get("/api/v1/nowhere", HTTP_ACCEPT=accept, HTTP_X_CORRELATION_ID=ID)

    expected = {
        "type": "http://127.0.0.1:8000/errors/not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing here.",
        "instance": "/api/v1/nowhere",
        "code": "not_found",
        "correlation_id": ID,
        "errors": [],
    }
    assert answer.content == json.dumps(expected).encode()


def test_the_page_of_an_internal_error_needs_no_database_and_tells_nothing(
    failing: Client, django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    with django_assert_num_queries(0):
        answer = failing.get("/fails/plain", HTTP_ACCEPT=BROWSER)

    page = assert_page(answer, 500, "Front page")
    assert "ZeroDivision" not in page
    assert SECRET not in page


@pytest.mark.parametrize("accept", ["*/*", BROWSER])
def test_a_page_without_the_database_asks_to_try_again(failing: Client, accept: str) -> None:
    answer = failing.get("/fails/database", HTTP_ACCEPT=accept)

    assert answer["Retry-After"] == "5"
    if accept == BROWSER:
        assert "hunter2" not in assert_page(answer, 503, "Try again in 5 s")
    else:
        assert assert_problem(answer, 503)["code"] == "unavailable"


def test_a_wrong_method_is_a_page_that_keeps_the_allowed_ones(client: Client, db: None) -> None:
    answer = client.post("/api/docs/", HTTP_ACCEPT=BROWSER)

    assert_page(answer, 405, "POST /api/docs/")
    assert "GET" in answer["Allow"]


def test_the_errors_of_a_document_are_on_the_page_with_their_places(client: Client) -> None:
    answer = client.get("/api/docs/?a=%00", HTTP_ACCEPT=BROWSER)

    assert_page(answer, 400, "The address contains a NUL byte.")


def test_a_form_without_its_token_is_explained(db: None) -> None:
    strict = Client(enforce_csrf_checks=True, HTTP_ACCEPT=BROWSER)

    answer = strict.post("/account/reset-password", {"token": "x"})

    assert_page(answer, 403, "This form cannot be sent any more", "reload the page")


def test_a_body_that_is_too_large_is_a_413_page(client: Client, settings: Any, db: None) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    answer = client.post("/account/reset-password", {"token": "x" * 100}, HTTP_ACCEPT=BROWSER)

    assert_page(answer, 413, "too large")


def test_an_address_from_the_caller_is_escaped(client: Client) -> None:
    page = client.get("/<script>alert(1)</script>", HTTP_ACCEPT=BROWSER).content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.django_db
def test_staff_find_the_way_to_the_desk(charlie: User) -> None:
    browser = Client(HTTP_ACCEPT=BROWSER)
    browser.force_login(charlie)

    assert_page(browser.get("/nowhere"), 404, "Home of the desk", 'href="/admin/"')


@pytest.mark.django_db
def test_a_missing_page_of_the_desk_keeps_the_menu_and_the_search(charlie: User) -> None:
    browser = Client(HTTP_ACCEPT=BROWSER)
    browser.force_login(charlie)

    page = assert_page(browser.get("/admin/nowhere/"), 404, 'class="desk-menu"', 'name="q"')
    assert "aria-current" not in page
    assert browser.get("/admin/nowhere/", HTTP_ACCEPT="*/*").json()["code"] == "not_found"


@pytest.mark.django_db
def test_a_refused_page_of_the_desk_keeps_the_menu(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    browser = Client(HTTP_ACCEPT=BROWSER)
    browser.force_login(alice)

    page = assert_page(browser.get("/admin/users/user/"), 403, 'class="desk-menu"')
    assert "Messages</a>" not in page


@pytest.mark.parametrize(
    ("header", "words"), [("5", "5 s"), ("60", "1 min"), ("61", "2 min"), ("", ""), ("soon", "")]
)
def test_the_wait_is_spoken(header: str, words: str) -> None:
    assert spoken_wait(header) == words
