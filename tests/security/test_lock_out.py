"""Wrong passwords from others lock nobody out, and do not allow more attempts either."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.core import signing
from django.core.cache import caches
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.test import APIClient

from apps.common.throttling import calls
from apps.users import known_browsers, tokens
from apps.users.models import User
from apps.users.staff import second_factor
from tests.users.conftest import FAST_HASHERS, PASSWORD, Rate, make

pytestmark = pytest.mark.django_db

API, PAGE, GIVE = "/api/v1/users/login", "/admin/login/", "/account/second-factor"
CHARLIE = "charlie@example.com"
KEY = "3132333435363738393031323334353637383930"
NEW_PASSWORD = "another long passphrase"
COOKIE = known_browsers.COOKIE
LIMIT = 3


@pytest.fixture(autouse=True)
def few_tries(settings: Any) -> None:
    settings.PASSWORD_HASHERS = FAST_HASHERS
    settings.RATE_LIMIT_LOGIN = Rate(calls=LIMIT, seconds=3600)
    settings.TRUSTED_PROXIES = []


@pytest.fixture
def charlie(db: None) -> User:
    """An administrator."""
    return make("charlie", is_staff=True, is_superuser=True)


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


def known(login: Login = by_page, email: str = CHARLIE, **where: Any) -> Client:
    """Return a browser with only the cookie of an earlier login, after a logout."""
    browser = Client(**where)
    assert login(browser, email=email) == 200
    mark = browser.cookies[COOKIE].value
    browser = Client(**where)
    browser.cookies[COOKIE] = mark
    return browser


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the passwords that are hashed."""
    found: list[str] = []
    original = hashers.MD5PasswordHasher.encode

    def counting(self: Any, password: str, salt: str) -> str:
        found.append(password)
        return str(original(self, password, salt))

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", counting)
    return found


@pytest.mark.parametrize("first", LOGINS)
@pytest.mark.parametrize("then", LOGINS)
def test_a_known_browser_can_log_in_whatever_others_try(
    charlie: User, first: Login, then: Login
) -> None:
    browser = known(first)
    flood()
    assert then(Client(REMOTE_ADDR="192.0.2.200")) == 429
    assert then(browser) == 200


def test_a_known_browser_can_log_in_from_the_address_of_the_attacker(charlie: User) -> None:
    browser = known(REMOTE_ADDR="192.0.2.1")
    for number in range(LIMIT + 2):
        by_api(Client(REMOTE_ADDR="192.0.2.1"), "wrong", f"user{number}@example.com")
    assert by_page(Client(REMOTE_ADDR="192.0.2.1")) == 429
    assert by_page(browser) == 200


@pytest.mark.parametrize("login", LOGINS)
def test_a_known_browser_has_a_limit_of_its_own(charlie: User, login: Login) -> None:
    one, other = known(), known()
    assert [login(one, "wrong") for _ in range(LIMIT)] == [401] * LIMIT
    assert login(one) == 429
    # It uses up neither the limit of another known browser nor the limit for unknown ones.
    assert login(other) == 200
    assert login(Client(REMOTE_ADDR="192.0.2.9"), "wrong") == 401


def test_another_login_does_not_renew_the_limit(charlie: User) -> None:
    browser = known()
    assert by_page(browser) == 200
    assert [by_page(browser, "wrong") for _ in range(LIMIT)] == [401] * (LIMIT - 1) + [429]


@pytest.mark.parametrize("login", LOGINS)
def test_no_password_is_hashed_beyond_the_limits(
    charlie: User, login: Login, hashed: list[str]
) -> None:
    browser = known()
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
    browser = known()
    flood()
    hashed.clear()
    assert by_page(Client(REMOTE_ADDR="192.0.2.200")) == 429
    assert hashed == []
    assert by_page(browser) == 200
    assert [by_page(browser, "wrong") for _ in range(LIMIT)] == [401] * (LIMIT - 1) + [429]


def refused_after_a_flood(cookie: str) -> bool:
    """Return whether the right password is refused with this cookie after a flood."""
    flood()
    browser = Client(REMOTE_ADDR="192.0.2.200")
    browser.cookies[COOKIE] = cookie
    (refused,) = {login(browser) == 429 for login in LOGINS}
    return refused


def cookie_of(browser: Client) -> str:
    return str(browser.cookies[COOKIE].value)


def test_the_cookie_of_another_account_is_ignored(charlie: User) -> None:
    make("eve")
    assert refused_after_a_flood(cookie_of(known(by_api, "eve@example.com")))


def test_a_cookie_from_before_a_new_password_is_ignored(charlie: User) -> None:
    cookie = cookie_of(known())
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
    assert refused_after_a_flood(changed.format(cookie=cookie_of(known())))


def test_a_cookie_of_an_earlier_key_counts_while_that_key_is_a_fallback(
    charlie: User, settings: Any
) -> None:
    cookie, older = cookie_of(known()), settings.SECRET_KEY
    settings.SECRET_KEY = "a-newer-key-" + "0" * 50
    settings.SECRET_KEY_FALLBACKS = [older]
    assert not refused_after_a_flood(cookie)
    settings.SECRET_KEY_FALLBACKS = []
    caches["default"].clear()
    assert refused_after_a_flood(cookie)


def test_a_cookie_expires_after_half_a_year(charlie: User, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, now, day = cookie_of(known()), time.time(), 24 * 3600
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


def test_an_invalid_login_body_is_counted_by_the_client_address(charlie: User) -> None:
    caller = APIClient()
    bodies: list[Any] = [{}, {"email": CHARLIE}, [], {"email": 1, "password": 2}]
    statuses = [caller.post(API, body, format="json").status_code for body in bodies]
    assert statuses == [400, 400, 400, 429]
    assert by_page(Client(REMOTE_ADDR="127.0.0.1")) == 429


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
    stolen, elsewhere = tokens.issue(charlie), cookie_of(known())
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
