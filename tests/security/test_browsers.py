"""Attacks through a browser: forged forms, stolen sessions, foreign hosts, open redirects."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.notifications.api.welcome import sandbox_link
from apps.notifications.feedback.unsubscribe import Subscription, token_for
from apps.notifications.models import Notification
from apps.users import api_keys, contacts, password_resets
from apps.users.models import ApiKey, User
from tests.notifications.factories import body
from tests.users.conftest import FAST_HASHERS, PASSWORD, make

pytestmark = pytest.mark.django_db

SEND = "/api/v1/notifications/"


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = FAST_HASHERS
    settings.EMBEDDED = True


@pytest.fixture
def strict(charlie: User) -> Client:
    """The browser of a member of staff that sends a form of another site."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(charlie)
    return browser


def forms(alice: User) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("/admin/users/apikey/add/", {"name": "eve", "kind": "live", "scopes": ["operations"]}),
        (f"/admin/users/user/{alice.pk}/change/", {"name": "Eve"}),
        ("/admin/users/user/", {"action": "erase", "_selected_action": str(alice.pk)}),
        ("/admin/logout/", {}),
        ("/api/auth/logout/", {}),
        ("/admin/password_change/", {"new_password1": "x"}),
        ("/account/second-factor/enrol", {"code": "123456"}),
    ]


def test_forms_of_staff_cannot_be_sent_from_another_site(strict: Client, alice: User) -> None:
    for path, fields in forms(alice):
        assert strict.post(path, fields).status_code == 403, path
    assert strict.post(SEND, body(alice), content_type="application/json").status_code == 403
    assert strict.delete(f"/api/v1/users/{alice.pk}").status_code == 403
    assert "_auth_user_id" in strict.session
    alice.refresh_from_db()
    assert (alice.name, alice.erased_at) == ("Alice", None)
    assert ApiKey.objects.count() == Notification.objects.count() == 0


def test_a_login_form_cannot_be_sent_from_another_site() -> None:
    charlie = make("charlie", is_staff=True, is_superuser=True)
    browser = Client(enforce_csrf_checks=True)
    login = {"username": charlie.email, "password": PASSWORD}
    assert browser.post("/admin/login/", login).status_code == 403
    assert "_auth_user_id" not in browser.session


def test_the_pages_of_mailed_links_need_a_csrf_token() -> None:
    alice = make("alice")
    token = password_resets.make_token(alice)
    browser = Client(enforce_csrf_checks=True)
    new = {"token": token, "password": "a new and rather long one"}
    assert browser.post("/account/reset-password", new).status_code == 403
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_key_needs_no_csrf_token_and_has_priority_over_a_session(
    strict: Client, alice: User
) -> None:
    _, key = api_keys.create(name="shop")
    answer = strict.post(
        SEND, body(alice), content_type="application/json", headers={"x-api-key": key}
    )
    assert answer.status_code == 202
    assert Notification.objects.get().client == "shop"


def test_a_login_replaces_the_session_key() -> None:
    charlie = make("charlie", is_staff=True, is_superuser=True)
    browser = Client()
    session = browser.session
    session["planted"] = True
    session.save()
    planted = str(session.session_key)
    browser.cookies["sessionid"] = planted
    answer = browser.post("/admin/login/", {"username": charlie.email, "password": PASSWORD})
    assert answer.status_code == 302
    assert browser.session.session_key != planted
    cookie = browser.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    # The cookie ends with the browser, and the session after twelve hours in any case.
    assert cookie["max-age"] == ""
    left = browser.session.get_expiry_date() - timezone.now()
    assert timedelta(hours=11) < left <= timedelta(hours=12)


def test_logging_out_ends_the_session_on_the_server(charlie: User) -> None:
    browser, thief = Client(), Client()
    browser.force_login(charlie)
    thief.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert thief.get("/admin/").status_code == 200
    browser.post("/admin/logout/")
    assert thief.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"is_staff": False, "is_superuser": False}]
)
def test_a_session_ends_when_its_user_loses_the_right(
    charlie: User, change: dict[str, Any]
) -> None:
    browser = Client()
    browser.force_login(charlie)
    User.objects.filter(pk=charlie.pk).update(**change)
    assert browser.get("/admin/").status_code == 302
    assert browser.get("/sandbox/").status_code == 302
    assert browser.get("/api/v1/users/").status_code == 401


def test_a_new_password_ends_earlier_sessions(charlie: User) -> None:
    browser = Client()
    browser.force_login(charlie)
    charlie.set_password("a new and rather long one")
    charlie.save()
    assert browser.get("/admin/").status_code == 302


ELSEWHERE = ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_no_login_or_logout_redirects_to_another_site(elsewhere: str) -> None:
    charlie = make("charlie", is_staff=True, is_superuser=True)
    browser = Client()
    login = {"username": charlie.email, "password": PASSWORD}
    answers = [
        browser.get("/api/auth/login/", {"next": elsewhere}),
        browser.post(f"/admin/login/?next={elsewhere}", {**login, "next": elsewhere}),
        browser.post(f"/api/auth/logout/?next={elsewhere}", {"next": elsewhere}),
        browser.get(f"{sandbox_link(charlie)}?next={elsewhere}"),
        browser.post(f"/admin/logout/?next={elsewhere}", {"next": elsewhere}),
    ]
    for answer in answers:
        place = answer.headers.get("Location", "/")
        assert place.startswith("/"), place
        assert not place.startswith(("//", "/\\"))


@pytest.mark.parametrize("path", ["//evil.example/admin", "/admin//evil.example", "/%2f%2fevil"])
def test_no_path_redirects_to_another_site(path: str) -> None:
    answer = Client().get(path)
    assert not answer.headers.get("Location", "/").startswith(("//", "http"))


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "testserver@evil", ""])
def test_a_foreign_host_is_refused_and_no_mail_is_sent(settings: Any, host: str) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    make("alice")
    asked = {"email": "alice@example.com"}
    answer = APIClient().post(
        "/api/v1/users/password/reset", asked, format="json", HTTP_HOST=host or " "
    )
    assert answer.status_code == 400
    assert not Notification.objects.exists()


def test_links_use_the_configured_url_for_any_host_header(settings: Any) -> None:
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = ["*"], "https://notifications.example.com"
    alice = make("alice")
    token = token_for(Subscription(user_id=alice.pk, category="news"))
    for forwarded in ("HTTP_HOST", "HTTP_X_FORWARDED_HOST"):
        headers: dict[str, Any] = {forwarded: "evil.example"}
        page = Client().get(f"/unsubscribe/{token}", **headers)
        assert "evil.example" not in page.content.decode()
    assert project.USE_X_FORWARDED_HOST is False


def test_the_one_time_link_works_once_for_staff_in_the_embedded_mode(settings: Any) -> None:
    charlie, alice = make("charlie", is_staff=True, is_superuser=True), make("alice")
    link = sandbox_link(charlie)
    reset_token = password_resets.make_token(charlie).partition(".")[2]
    for void in (
        sandbox_link(alice),
        link.replace(str(charlie.pk), str(alice.pk)),
        f"{link}x",
        link.replace(link.rpartition("/")[2], reset_token),
    ):
        browser = Client()
        browser.get(void)
        assert "_auth_user_id" not in browser.session
    settings.EMBEDDED = False
    assert Client().get(link).status_code == 404
    settings.EMBEDDED = True
    first, second = Client(), Client()
    first.get(link)
    second.get(link)
    assert "_auth_user_id" in first.session
    assert "_auth_user_id" not in second.session


def test_the_token_of_one_kind_of_link_is_refused_for_others() -> None:
    alice = make("alice")
    unsubscribe = token_for(Subscription(user_id=alice.pk, category="news"))
    for path, token in (
        ("/api/v1/users/email/confirm", unsubscribe),
        ("/api/v1/users/email/confirm", password_resets.make_token(alice)),
        ("/api/v1/users/password/reset/confirm", unsubscribe),
    ):
        new = {"token": token}
        if "password" in path:
            new["password"] = "a new and rather long one"
        assert APIClient().post(path, new, format="json").status_code == 400
    assert Client().post(f"/unsubscribe/{password_resets.make_token(alice)}").status_code == 404
    assert contacts.load_contacts([alice.pk])[alice.pk].allows("email", "news")
