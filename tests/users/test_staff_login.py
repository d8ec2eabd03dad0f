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
