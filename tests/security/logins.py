"""Log in on both pages, use up the limit of an account, and take the cookie of a known browser."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from apps.users import known_browsers
from tests.users.conftest import PASSWORD

API, PAGE = "/api/v1/users/login", "/admin/login/"
CHARLIE = "charlie@example.com"
COOKIE = known_browsers.COOKIE
LIMIT = 3


def by_page(browser: Client, password: str = PASSWORD, email: str = CHARLIE, **where: Any) -> int:
    """Log in to the admin; return 200 for success and 401 for failure, as the API does."""
    answer = browser.post(PAGE, {"username": email, "password": password}, **where)
    return {302: 200, 200: 401}.get(answer.status_code, answer.status_code)


def by_api(browser: Client, password: str = PASSWORD, email: str = CHARLIE, **where: Any) -> int:
    asked = {"email": email, "password": password}
    answer = browser.post(API, asked, content_type="application/json", **where)
    return int(answer.status_code)


LOGINS = [by_page, by_api]
Login = Callable[..., int]


def flood(email: str = CHARLIE) -> None:
    """Use up the limit of an account with wrong passwords, each from another address."""
    statuses = [
        by_api(Client(REMOTE_ADDR=f"192.0.2.{number}"), "wrong", email)
        for number in range(LIMIT + 1)
    ]
    assert statuses[-1] == 429


def known_browser(login: Login = by_page, email: str = CHARLIE, **where: Any) -> Client:
    """Return a browser with only the cookie of an earlier login, after a logout."""
    browser = Client(**where)
    assert login(browser, email=email) == 200
    mark = browser.cookies[COOKIE].value
    browser = Client(**where)
    browser.cookies[COOKIE] = mark
    return browser


def refused_after_a_flood(cookie: str) -> bool:
    """Return whether the right password is refused with this cookie after a flood."""
    flood()
    browser = Client(REMOTE_ADDR="192.0.2.200")
    browser.cookies[COOKIE] = cookie
    (refused,) = {login(browser) == 429 for login in LOGINS}
    return refused


def cookie_of(browser: Client) -> str:
    """Return the cookie by which a browser is known."""
    return str(browser.cookies[COOKIE].value)
