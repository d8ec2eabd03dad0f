"""The browsable API: log in, get a prefilled form, and submit it."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from apps.notifications.api import examples
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.factories import body
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
PATH = "/api/v1/notifications/"


@pytest.fixture
def browser(charlie: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(charlie)
    return client


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path, HTTP_ACCEPT=BROWSER)
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    return html.unescape(answer.content.decode())


def test_the_start_page_links_to_all_lists_and_to_the_login(client: Client) -> None:
    shown = page(client, "/api/v1/")
    for entry in ("users", "templates", "notifications", "services"):
        assert f"/api/v1/{entry}/" in shown
    assert "Log in" in shown


def test_an_unauthenticated_browser_gets_a_page_with_a_login_link(client: Client) -> None:
    assert "Log in" in page(client, PATH, status=401)


@pytest.mark.parametrize(
    ("path", "example"),
    [(PATH, examples.SEND), (f"{PATH}bulk", examples.BULK)],
)
def test_the_form_is_prefilled_with_the_example(
    browser: Client, path: str, example: dict[str, Any]
) -> None:
    answer = browser.get(path, HTTP_ACCEPT=BROWSER)
    shown = html.unescape(answer.content.decode())
    assert '"template_code": "welcome"' in shown
    assert example
    assert '<textarea name="_content"' in shown


def test_a_form_is_accepted_with_the_session_and_its_csrf_token(
    browser: Client, alice: User
) -> None:
    shown = page(browser, PATH)
    token = browser.cookies["csrftoken"].value
    assert "csrfToken" in shown or "csrfmiddlewaretoken" in shown
    answer = browser.post(
        PATH, body(alice), content_type="application/json", HTTP_X_CSRFTOKEN=token
    )
    assert answer.status_code == 202
    assert Notification.objects.count() == 1


def test_a_form_without_the_csrf_token_is_refused(browser: Client, alice: User) -> None:
    answer = browser.post(PATH, body(alice), content_type="application/json")
    assert_problem(answer, 403)
    assert Notification.objects.count() == 0


def test_a_refusal_is_shown_on_the_page(browser: Client) -> None:
    page(browser, PATH)
    token = browser.cookies["csrftoken"].value
    answer = browser.post(
        PATH,
        {"nonsense": 1},
        content_type="application/json",
        HTTP_X_CSRFTOKEN=token,
        HTTP_ACCEPT=BROWSER,
    )
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/html")
    assert "unknown_field" in answer.content.decode() or "required" in answer.content.decode()


@pytest.mark.parametrize(
    "path", [PATH, "/api/v1/users/", "/api/v1/templates/", "/api/v1/services/"]
)
def test_every_list_has_a_page(browser: Client, path: str) -> None:
    assert re.search(r"<h1>.+</h1>", page(browser, path))


def test_a_client_without_an_html_accept_header_gets_json(browser: Client) -> None:
    answer = browser.get(PATH)
    assert answer["Content-Type"] == "application/json"
