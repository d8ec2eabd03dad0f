"""The staff login is rate limited like every other login."""

from typing import Any

import pytest
from django.test import Client

from tests.users.conftest import PASSWORD, Rate, make


@pytest.fixture(autouse=True)
def real_paths(settings: Any) -> None:
    settings.ROOT_URLCONF = "notifications_project.urls"
    settings.RATE_LIMIT_LOGIN = Rate(calls=3, seconds=60)


def test_after_too_many_guesses_even_the_right_password_is_refused(db: None) -> None:
    make("charlie", is_staff=True, is_superuser=True)
    browser = Client()
    wrong = {"username": "charlie@example.com", "password": "no"}

    codes = [browser.post("/admin/login/", wrong).status_code for _ in range(3)]
    refused = browser.post("/admin/login/", {**wrong, "password": PASSWORD})

    assert codes == [200, 200, 200]
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert "_auth_user_id" not in browser.session


def test_staff_with_the_right_password_are_logged_in(db: None) -> None:
    charlie = make("charlie", is_staff=True, is_superuser=True)
    browser = Client()

    answer = browser.post(
        "/admin/login/?next=/admin/", {"username": "CHARLIE@example.com", "password": PASSWORD}
    )

    assert answer.status_code == 302
    assert browser.session["_auth_user_id"] == str(charlie.pk)


def test_the_refusal_of_a_browser_is_a_page_that_says_how_long_to_wait(db: None) -> None:
    browser = Client(HTTP_ACCEPT="text/html,*/*;q=0.8")
    wrong = {"username": "charlie@example.com", "password": "no"}

    answers = [browser.post("/admin/login/", wrong) for _ in range(4)]

    page = answers[-1].content.decode()
    assert answers[-1].status_code == 429
    assert answers[-1]["Content-Type"].startswith("text/html")
    assert "Too many attempts" in page
    assert f"Try again in {answers[-1]['Retry-After']} s" in page or "Try again in 1 min" in page
