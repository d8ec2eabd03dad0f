"""The cookie of a known browser counts for its accounts and for nothing else, and it ends."""

import time
from typing import Any

import pytest
from django.core import signing
from django.core.cache import caches
from django.test import Client

from apps.users import known_browsers
from apps.users.models import User
from tests.security.logins import (
    CHARLIE,
    COOKIE,
    LIMIT,
    LOGINS,
    Login,
    by_api,
    by_page,
    cookie_of,
    flood,
    known_browser,
    refused_after_a_flood,
)
from tests.users.conftest import Rate, make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("few_tries")]


@pytest.fixture
def charlie(db: None) -> User:
    """An administrator with a password."""
    return make("charlie", is_staff=True, is_superuser=True)


def test_the_cookie_of_another_account_is_ignored(charlie: User) -> None:
    make("eve")
    assert refused_after_a_flood(cookie_of(known_browser(by_api, "eve@example.com")))


def test_a_cookie_from_before_a_new_password_is_ignored(charlie: User) -> None:
    cookie = cookie_of(known_browser())
    charlie.refresh_from_db()
    charlie.session_version += 1
    charlie.save()
    assert refused_after_a_flood(cookie)


@pytest.mark.parametrize("salt", ["users.confirm-email", "django.core.signing", "known-browser"])
def test_a_text_signed_for_another_purpose_is_not_a_cookie(charlie: User, salt: str) -> None:
    entry = [[charlie.pk.hex, charlie.session_version, "mark"]]
    assert refused_after_a_flood(signing.dumps(entry, salt=salt))


@pytest.mark.parametrize("changed", ["{cookie}x", "x{cookie}", "", "é", "{cookie}:{cookie}"])
def test_a_modified_cookie_is_ignored(charlie: User, changed: str) -> None:
    assert refused_after_a_flood(changed.format(cookie=cookie_of(known_browser())))


def test_a_cookie_of_an_earlier_key_counts_while_that_key_is_a_fallback(
    charlie: User, settings: Any
) -> None:
    cookie, older = cookie_of(known_browser()), settings.SECRET_KEY
    settings.SECRET_KEY = "a-newer-key-" + "0" * 50
    settings.SECRET_KEY_FALLBACKS = [older]
    assert not refused_after_a_flood(cookie)
    settings.SECRET_KEY_FALLBACKS = []
    caches["default"].clear()
    assert refused_after_a_flood(cookie)


def test_a_cookie_expires_after_half_a_year(charlie: User, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, now, day = cookie_of(known_browser()), time.time(), 24 * 3600
    monkeypatch.setattr(time, "time", lambda: now + 179 * day)
    assert not refused_after_a_flood(cookie)
    monkeypatch.setattr(time, "time", lambda: now + 181 * day)
    assert refused_after_a_flood(cookie)


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("secure", ["", "true"])
def test_the_cookie_is_used_only_for_the_login(
    charlie: User, login: Login, settings: Any, secure: str
) -> None:
    settings.SESSION_COOKIE_SECURE = bool(secure)
    browser = Client()
    assert login(browser) == 200
    cookie = browser.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert bool(cookie["secure"]) is bool(secure)
    assert cookie["max-age"] == 180 * 24 * 3600
    assert CHARLIE not in cookie.value
    # The cookie gives no access.
    stranger = Client()
    stranger.cookies[COOKIE] = cookie.value
    assert stranger.get("/admin/").status_code == 302
    assert stranger.get("/api/v1/users/").status_code == 401


@pytest.mark.parametrize("login", LOGINS)
def test_a_failed_login_sets_no_cookie(charlie: User, login: Login) -> None:
    make("alice")
    browser = Client()
    login(browser, "wrong")
    by_page(browser, email="alice@example.com")  # Not a member of staff.
    browser.force_login(charlie)
    login(browser, "wrong")
    assert COOKIE not in browser.cookies


def test_a_browser_is_known_to_its_last_five_accounts(charlie: User, settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=100, seconds=3600)
    browser = Client()
    names = [f"user{number}" for number in range(known_browsers.ACCOUNTS_MAX)]
    for name in names:
        make(name)
        assert by_api(browser, email=f"{name}@example.com") == 200
    settings.RATE_LIMIT_LOGIN = Rate(calls=LIMIT, seconds=3600)
    for name in names:
        flood(f"{name}@example.com")
        assert by_api(browser, email=f"{name}@example.com") == 200
        caches["default"].clear()
    assert by_page(browser) == 200
    flood("user0@example.com")
    assert by_api(browser, email="user0@example.com") == 429
