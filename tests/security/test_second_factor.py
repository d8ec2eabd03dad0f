"""Staff with a second factor need it for every login; it can be required for all staff."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.test import APIClient

from apps.notifications.api.welcome import sandbox_link
from apps.users import contacts, tokens
from apps.users.models import User
from apps.users.staff import second_factor
from tests.users.conftest import FAST_HASHERS, PASSWORD, Rate, make

pytestmark = pytest.mark.django_db

KEY = "3132333435363738393031323334353637383930"
GIVE, ENROL = "/account/second-factor", "/account/second-factor/enrol"
LOGIN = "/api/v1/users/login"
ADDRESS = {"username": "charlie@example.com", "password": PASSWORD}
ONE_FACTOR = {"email": "charlie@example.com", "password": PASSWORD}


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = FAST_HASHERS
    settings.RATE_LIMIT_LOGIN = Rate(calls=1000, seconds=60)
    settings.EMBEDDED = True


@pytest.fixture
def charlie(db: None) -> User:
    """An administrator with a password."""
    return make("charlie", is_staff=True, is_superuser=True)


@pytest.fixture
def enrolled(charlie: User) -> User:
    """The same administrator, enrolled with an app."""
    assert second_factor.enrol(charlie, key=KEY, code=code_of(KEY)) is not None
    TOTPDevice.objects.update(last_t=-1)
    return charlie


def code_of(key: str) -> str:
    return f"{totp(bytes.fromhex(key)):06d}"


def wrong_code(key: str) -> str:
    """Return a code that is not valid for any accepted time step."""
    good = {totp(bytes.fromhex(key), drift=drift) for drift in range(-2, 3)}
    return next(f"{code:06d}" for code in range(10) if code not in good)


def with_password() -> Client:
    browser = Client()
    answer = browser.post("/admin/login/?next=/admin/", ADDRESS)
    assert answer.status_code == 302
    return browser


def landing(browser: Client, path: str) -> str:
    """Return the path where a browser that follows every redirect ends up."""
    return str(browser.get(path, follow=True).request["PATH_INFO"])


def is_logged_in(browser: Client) -> bool:
    answers = [browser.get(path).status_code for path in ("/admin/", "/sandbox/", "/api/v1/users/")]
    assert answers in ([200, 200, 200], [302, 302, 401])
    return answers[0] == 200


def test_staff_without_a_second_factor_need_only_their_password(charlie: User) -> None:
    assert is_logged_in(with_password())


def test_enrolled_staff_need_a_valid_code(enrolled: User) -> None:
    browser = with_password()
    assert not is_logged_in(browser)
    assert landing(browser, "/admin/users/user/") == GIVE
    answer = browser.post(f"{GIVE}?next=/admin/users/user/", {"code": code_of(KEY)})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/users/user/")
    assert is_logged_in(browser)


def test_a_wrong_code_is_refused(enrolled: User) -> None:
    browser = with_password()
    for code in (wrong_code(KEY), "", "abcdefgh", "12345", "\u0661" * 6):
        answer = browser.post(GIVE, {"code": code})
        assert answer.status_code == 200
        assert "not valid" in answer.content.decode()
        TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    assert not is_logged_in(browser)


def test_a_code_can_be_used_once(enrolled: User) -> None:
    code = code_of(KEY)
    first, second = with_password(), with_password()
    first.post(GIVE, {"code": code})
    second.post(GIVE, {"code": code})
    assert (is_logged_in(first), is_logged_in(second)) == (True, False)


def test_after_a_wrong_code_the_right_one_is_refused_for_a_while(enrolled: User) -> None:
    browser = with_password()
    browser.post(GIVE, {"code": wrong_code(KEY)})
    browser.post(GIVE, {"code": code_of(KEY)})
    assert not is_logged_in(browser)


def test_codes_are_rate_limited_like_passwords(enrolled: User, settings: Any) -> None:
    browser = with_password()
    settings.RATE_LIMIT_LOGIN = Rate(calls=3, seconds=60)
    answers = [browser.post(GIVE, {"code": wrong_code(KEY)}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_a_recovery_code_can_be_used_once(enrolled: User) -> None:
    recovery = StaticToken.objects.values_list("token", flat=True)[0]
    first, second = with_password(), with_password()
    first.post(GIVE, {"code": f" {recovery.upper()[:4]} {recovery.upper()[4:]} "})
    second.post(GIVE, {"code": recovery})
    assert (is_logged_in(first), is_logged_in(second)) == (True, False)
    assert StaticToken.objects.count() == second_factor.RECOVERY_CODES - 1


def test_staff_without_a_code_can_log_out_again(enrolled: User) -> None:
    browser = with_password()
    assert 'action="/account/log-out"' in browser.get(GIVE).content.decode()
    assert browser.get("/account/log-out").status_code == 405
    assert browser.post("/account/log-out")["Location"] == "/admin/login/"
    assert "_auth_user_id" not in browser.session


def test_the_second_factor_replaces_the_session_key(enrolled: User) -> None:
    browser = with_password()
    before = browser.session.session_key
    browser.post(GIVE, {"code": code_of(KEY)})
    assert is_logged_in(browser)
    assert browser.session.session_key != before


def test_the_second_factor_redirects_to_no_other_site(enrolled: User) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        TOTPDevice.objects.update(last_t=-1)
        browser = with_password()
        answer = browser.post(f"{GIVE}?next={elsewhere}", {"code": code_of(KEY)})
        assert answer["Location"] == "/admin/"


def test_staff_can_enrol_on_their_own_page(charlie: User) -> None:
    browser = with_password()
    page = browser.get(ENROL).content.decode()
    assert "<svg" in page
    assert "http" not in page.partition("<svg")[2].partition("</svg>")[0]
    key = browser.session["second_factor_key"]
    assert second_factor.base32(key) in page
    refused = browser.post(ENROL, {"code": wrong_code(key)})
    assert not second_factor.has_enrolled(charlie)
    assert second_factor.base32(key) in refused.content.decode()
    done = browser.post(ENROL, {"code": code_of(key)})
    codes = re.findall(r"<code>([a-z2-7]{8})</code>", done.content.decode())
    assert len(codes) == second_factor.RECOVERY_CODES
    assert set(codes) == set(StaticToken.objects.values_list("token", flat=True))
    assert done["Cache-Control"] == "no-store"
    assert is_logged_in(browser)
    assert not is_logged_in(with_password())


def test_earlier_sessions_need_the_second_factor_as_well(charlie: User) -> None:
    before = with_password()
    assert is_logged_in(before)
    second_factor.enrol(charlie, key=KEY, code=code_of(KEY))
    assert not is_logged_in(before)


def test_a_password_alone_cannot_replace_a_second_factor(enrolled: User) -> None:
    browser = with_password()
    assert landing(browser, ENROL) == GIVE
    session = browser.session
    session["second_factor_key"] = KEY
    session.save()
    browser.post(ENROL, {"code": code_of(KEY)})
    assert StaticToken.objects.count() == second_factor.RECOVERY_CODES
    assert not is_logged_in(browser)


def test_a_required_second_factor_blocks_staff_until_they_enrol(
    charlie: User, settings: Any
) -> None:
    settings.ADMIN_SECOND_FACTOR = "required"
    browser = with_password()
    assert not is_logged_in(browser)
    assert landing(browser, "/admin/") == ENROL
    browser.post(ENROL, {"code": code_of(browser.session["second_factor_key"])})
    assert is_logged_in(browser)


def test_the_link_of_the_demo_still_opens_the_sandbox(charlie: User, settings: Any) -> None:
    browser = Client()
    assert landing(browser, sandbox_link(charlie)) == "/sandbox/"
    assert is_logged_in(browser)
    settings.ADMIN_SECOND_FACTOR = "required"
    charlie.refresh_from_db()
    assert landing(Client(), sandbox_link(charlie)) == ENROL


def test_the_link_of_the_demo_does_not_bypass_a_second_factor(enrolled: User) -> None:
    assert landing(Client(), sandbox_link(enrolled)) == GIVE


@pytest.mark.parametrize("path", [GIVE, ENROL])
def test_the_second_factor_pages_need_a_staff_login(path: str) -> None:
    make("alice")
    strangers, alice = Client(), Client()
    alice.force_login(User.objects.get())
    for browser in (strangers, alice):
        answer = browser.post(path, {"code": "123456"})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
    assert not TOTPDevice.objects.exists()


def test_the_second_factor_pages_need_a_csrf_token(enrolled: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(enrolled)
    assert browser.post(GIVE, {"code": code_of(KEY)}).status_code == 403
    assert not is_logged_in(browser)


def test_tokens_do_not_bypass_a_second_factor(enrolled: User) -> None:
    caller = APIClient()
    for asked, code in (
        (ONE_FACTOR, "second_factor_required"),
        ({**ONE_FACTOR, "one_time_code": wrong_code(KEY)}, "invalid_one_time_code"),
    ):
        answer = caller.post(LOGIN, asked, format="json")
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    given = {**ONE_FACTOR, "one_time_code": code_of(KEY)}
    answer = caller.post(LOGIN, given, format="json")
    assert answer.status_code == 200
    refreshed = caller.post(
        "/api/v1/users/token/refresh", {"refresh": answer.json()["refresh"]}, format="json"
    )
    for access in (answer.json()["access"], refreshed.json()["access"]):
        caller.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
        assert caller.get("/api/v1/users/").status_code == 200


def test_a_wrong_password_is_refused_before_the_code_is_checked(enrolled: User) -> None:
    asked = {**ONE_FACTOR, "password": "no", "one_time_code": code_of(KEY)}
    answer = APIClient().post(LOGIN, asked, format="json")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert TOTPDevice.objects.get().last_t == -1


def test_enrolling_voids_earlier_tokens(charlie: User) -> None:
    issued = tokens.issue(charlie)
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.access}")
    assert caller.get("/api/v1/users/").status_code == 200
    second_factor.enrol(charlie, key=KEY, code=code_of(KEY))
    assert caller.get("/api/v1/users/").status_code == 401
    caller.credentials()
    asked = {"refresh": issued.refresh}
    assert caller.post("/api/v1/users/token/refresh", asked, format="json").status_code == 401


def test_staff_without_a_required_second_factor_get_no_token(charlie: User, settings: Any) -> None:
    make("alice")
    settings.ADMIN_SECOND_FACTOR = "required"
    answer = APIClient().post(LOGIN, ONE_FACTOR, format="json")
    assert (answer.status_code, answer.json()["code"]) == (401, "second_factor_required")
    asked = {"email": "alice@example.com", "password": PASSWORD}
    assert APIClient().post(LOGIN, asked, format="json").status_code == 200


def test_the_admin_shows_no_second_factor_secrets(enrolled: User) -> None:
    browser = with_password()
    browser.post(GIVE, {"code": code_of(KEY)})
    assert browser.get("/admin/otp_totp/totpdevice/").status_code == 404
    assert browser.get("/admin/otp_static/staticdevice/").status_code == 404
    page = browser.get(f"/admin/users/user/{enrolled.pk}/change/").content.decode()
    assert KEY not in page


def test_superusers_can_reset_a_second_factor(enrolled: User) -> None:
    dora = make("dora", is_staff=True, is_superuser=True)
    browser = Client()
    browser.force_login(dora)
    reset = {"action": "reset_second_factor", "_selected_action": str(enrolled.pk)}
    browser.post("/admin/users/user/", reset)
    assert not TOTPDevice.objects.exists()
    assert not StaticToken.objects.exists()
    assert is_logged_in(with_password())


def test_other_staff_cannot_reset_a_second_factor(enrolled: User) -> None:
    eve = make("eve", is_staff=True)
    eve.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    browser = Client()
    browser.force_login(eve)
    reset = {"action": "reset_second_factor", "_selected_action": str(enrolled.pk)}
    browser.post("/admin/users/user/", reset)
    assert TOTPDevice.objects.filter(user=enrolled).exists()


def test_operators_can_reset_a_second_factor_on_the_command_line(enrolled: User) -> None:
    call_command("notify", "reset-second-factor", "Charlie@Example.com")
    assert not second_factor.has_enrolled(enrolled)
    with pytest.raises(CommandError, match="Nobody"):
        call_command("notify", "reset-second-factor", "charlie@example.com")


def test_erasing_a_member_of_staff_deletes_the_second_factor(enrolled: User) -> None:
    with transaction.atomic():
        contacts.erase(enrolled.pk)
    assert not TOTPDevice.objects.exists()
    assert not StaticToken.objects.exists()
