"""Wrong passwords from others lock nobody out, and do not allow more attempts either."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.test import APIClient

from apps.common.throttling import calls
from apps.users import tokens
from apps.users.models import User
from apps.users.staff import second_factor
from tests.security.logins import (
    API,
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
from tests.users.conftest import PASSWORD, make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("few_tries")]

GIVE = "/account/second-factor"
KEY = "3132333435363738393031323334353637383930"
NEW_PASSWORD = "another long passphrase"


@pytest.fixture
def charlie(db: None) -> User:
    """An administrator with a password."""
    return make("charlie", is_staff=True, is_superuser=True)


@pytest.mark.parametrize("first", LOGINS)
@pytest.mark.parametrize("then", LOGINS)
def test_a_known_browser_can_log_in_whatever_others_try(
    charlie: User, first: Login, then: Login
) -> None:
    browser = known_browser(first)
    flood()
    assert then(Client(REMOTE_ADDR="192.0.2.200")) == 429
    assert then(browser) == 200


def test_a_known_browser_can_log_in_from_the_address_of_the_attacker(charlie: User) -> None:
    browser = known_browser(REMOTE_ADDR="192.0.2.1")
    for number in range(LIMIT + 2):
        by_api(Client(REMOTE_ADDR="192.0.2.1"), "wrong", f"user{number}@example.com")
    assert by_page(Client(REMOTE_ADDR="192.0.2.1")) == 429
    assert by_page(browser) == 200


@pytest.mark.parametrize("login", LOGINS)
def test_a_known_browser_has_a_limit_of_its_own(charlie: User, login: Login) -> None:
    one, other = known_browser(), known_browser()
    assert [login(one, "wrong") for _ in range(LIMIT)] == [401] * LIMIT
    assert login(one) == 429
    # It uses up neither the limit of another known browser nor the limit for unknown ones.
    assert login(other) == 200
    assert login(Client(REMOTE_ADDR="192.0.2.9"), "wrong") == 401


def test_another_login_does_not_renew_the_limit(charlie: User) -> None:
    browser = known_browser()
    assert by_page(browser) == 200
    assert [by_page(browser, "wrong") for _ in range(LIMIT)] == [401] * (LIMIT - 1) + [429]


@pytest.mark.parametrize("login", LOGINS)
def test_no_password_is_hashed_beyond_the_limits(
    charlie: User, login: Login, hashed: list[str]
) -> None:
    browser = known_browser()
    flood()
    hashed.clear()
    for stranger in (Client(REMOTE_ADDR="192.0.2.200"), Client(REMOTE_ADDR="192.0.2.201")):
        assert login(stranger) == 429
    assert hashed == []
    for _ in range(2 * LIMIT):
        login(browser, "wrong")
    assert len(hashed) == LIMIT


@pytest.fixture
def cache_unreachable(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count in the process because Redis does not answer, with new counters."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    monkeypatch.setattr(calls, "_calls", calls.CallLimiter())
    yield
    caches["default"].close()


def test_without_redis_the_limits_are_the_same(
    charlie: User, cache_unreachable: None, hashed: list[str]
) -> None:
    browser = known_browser()
    flood()
    hashed.clear()
    assert by_page(Client(REMOTE_ADDR="192.0.2.200")) == 429
    assert hashed == []
    assert by_page(browser) == 200
    assert [by_page(browser, "wrong") for _ in range(LIMIT)] == [401] * (LIMIT - 1) + [429]


def test_an_invalid_login_body_is_counted_by_the_client_address(charlie: User) -> None:
    caller = APIClient()
    bodies: list[Any] = [{}, {"email": CHARLIE}, [], {"email": 1, "password": 2}]
    statuses = [caller.post(API, body, format="json").status_code for body in bodies]
    assert statuses == [400, 400, 400, 429]
    assert by_page(Client(REMOTE_ADDR="127.0.0.1")) == 429


# --- The second factor, and changes of one's own password ----------------------------------------


@pytest.fixture
def enrolled(charlie: User) -> User:
    assert second_factor.enrol(charlie, key=KEY, code=f"{totp(bytes.fromhex(KEY)):06d}")
    TOTPDevice.objects.update(last_t=-1)
    return charlie


def give_code(browser: Client) -> int:
    return browser.post(GIVE, {"code": f"{totp(bytes.fromhex(KEY)):06d}"}).status_code


def test_a_browser_is_known_once_it_has_passed_the_second_factor(enrolled: User) -> None:
    browser = Client()
    assert by_page(browser) == 200
    assert COOKIE not in browser.cookies
    assert give_code(browser) == 302
    assert not refused_after_a_flood(cookie_of(browser))


def test_a_browser_is_known_once_it_has_enrolled_an_app(charlie: User, settings: Any) -> None:
    settings.ADMIN_SECOND_FACTOR = "required"
    browser = Client()
    by_page(browser)
    browser.get(f"{GIVE}/enrol")
    assert COOKIE not in browser.cookies
    key = browser.session["second_factor_key"]
    browser.post(f"{GIVE}/enrol", {"code": f"{totp(bytes.fromhex(key)):06d}"})
    assert COOKIE in browser.cookies


def test_wrong_passwords_of_others_do_not_block_the_second_factor(enrolled: User) -> None:
    browser = Client()
    assert by_page(browser) == 200
    for number in range(LIMIT):
        by_api(Client(REMOTE_ADDR="127.0.0.1"), "wrong", f"user{number}@example.com")
    by_api(Client(REMOTE_ADDR="192.0.2.1"), "wrong")
    assert by_page(Client()) == 429
    assert give_code(browser) == 302


def test_wrong_passwords_of_others_do_not_block_a_change_of_password(hashed: list[str]) -> None:
    alice = make("alice")
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(alice).access}")
    path = f"/api/v1/users/{alice.pk}"
    flood("alice@example.com")
    for _ in range(LIMIT - 1):
        change = {"password": NEW_PASSWORD, "current_password": "wrong"}
        assert caller.patch(path, change, format="json").status_code == 400
    change = {"password": NEW_PASSWORD, "current_password": PASSWORD}
    assert caller.patch(path, change, format="json").status_code == 200
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(User.objects.get()).access}")
    hashed.clear()
    change = {"password": "a third long passphrase", "current_password": NEW_PASSWORD}
    assert caller.patch(path, change, format="json").status_code == 429
    assert hashed == []


def change_own(browser: Client, old: str, new: str = NEW_PASSWORD) -> int:
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return browser.post("/admin/password_change/", form).status_code


def test_password_changes_of_staff_are_rate_limited_as_well(
    charlie: User, hashed: list[str]
) -> None:
    browser = Client()
    browser.force_login(charlie)
    assert [change_own(browser, "wrong") for _ in range(LIMIT)] == [200] * LIMIT
    hashed.clear()
    assert change_own(browser, PASSWORD) == 429
    assert hashed == []


def test_a_new_password_of_staff_ends_other_sessions_and_keeps_the_browser_known(
    charlie: User,
) -> None:
    stolen, elsewhere = tokens.issue(charlie), cookie_of(known_browser())
    browser = Client()
    browser.force_login(charlie)
    assert change_own(browser, PASSWORD) == 302
    assert browser.get("/admin/").status_code == 200
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {stolen.access}")
    assert caller.get("/api/v1/users/").status_code == 401
    flood()
    for cookie, status in ((elsewhere, 429), (cookie_of(browser), 200)):
        again = Client(REMOTE_ADDR="192.0.2.200")
        again.cookies[COOKIE] = cookie
        assert by_page(again, NEW_PASSWORD) == status
