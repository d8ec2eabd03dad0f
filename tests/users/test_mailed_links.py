"""Confirming an address and resetting a password by the links in mails."""

import re
import time
from typing import Any

import pytest
from django.core import mail
from rest_framework.test import APIClient

from apps.users import confirmations, contacts, password_resets
from apps.users.models import User
from tests.users.conftest import PASSWORD, Rate, logged_in, make

NEW_PASSWORD = "another long passphrase"
CONFIRM = "/api/v1/users/email/confirm"
RESET = "/api/v1/users/password/reset"
RESET_CONFIRM = "/api/v1/users/password/reset/confirm"


@pytest.fixture(autouse=True)
def with_servers(settings: Any) -> None:
    settings.EMBEDDED = False
    settings.OPEN_REGISTRATION = True
    settings.PUBLIC_URL = "https://notify.example.com"


def post(path: str, **body: Any) -> Any:
    return APIClient().post(path, body, format="json")


def mailed(count: int = 1) -> list[tuple[str, str]]:
    """Wait for mails, which another thread sends; return their recipients and tokens."""
    deadline = time.monotonic() + 5
    while len(mail.outbox) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    found = []
    for message in mail.outbox:
        match = re.search(
            r"https://notify\.example\.com(/account/[a-z-]+\?token=(\S+))", str(message.body)
        )
        assert match is not None
        found.append((message.to[0], match.group(2).replace("%3A", ":")))
    assert len(found) == count
    return found


def register(commit: Any, email: str = "ada@example.com") -> User:
    with commit(execute=True):
        answer = post("/api/v1/users/", name="Ada", email=email, password=PASSWORD)
    assert answer.status_code == 201
    assert answer.json()["email_confirmed"] is False
    return User.objects.get(pk=answer.json()["id"])


@pytest.mark.django_db
def test_an_address_of_a_registration_is_used_once_confirmed(
    django_capture_on_commit_callbacks: Any,
) -> None:
    user = register(django_capture_on_commit_callbacks)
    assert contacts.load_contacts([user.pk])[user.pk].email is None
    ((to, token),) = mailed()
    assert to == "ada@example.com"
    assert [post(CONFIRM, token=token).status_code for _ in range(2)] == [204, 204]
    assert contacts.load_contacts([user.pk])[user.pk].email == "ada@example.com"


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x", "WyJhIl0:1:x", "\u00e9"])
def test_a_made_up_token_confirms_nothing(token: str) -> None:
    user = make("alice", email_confirmed_at=None)
    answer = post(CONFIRM, token=token)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/token"
    user.refresh_from_db()
    assert user.email_confirmed is False


def test_an_address_of_a_client_needs_no_confirmation(shop: APIClient) -> None:
    body = {"name": "Ada", "email": "ada@example.com"}
    assert shop.post("/api/v1/users/", body, format="json").json()["email_confirmed"] is True
    assert mail.outbox == []


def test_a_changed_address_waits_for_its_confirmation(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    caller = logged_in("alice@example.com")
    profile = f"/api/v1/users/{alice.pk}"
    with django_capture_on_commit_callbacks(execute=True):
        answer = caller.patch(
            profile, {"email": "new@example.com", "current_password": PASSWORD}, format="json"
        )
    assert answer.status_code == 200
    assert answer.json()["email"] == "alice@example.com"
    assert answer.json()["pending_email"] == "new@example.com"
    assert contacts.load_contacts([alice.pk])[alice.pk].email == "alice@example.com"

    ((to, token),) = mailed()
    assert to == "new@example.com"
    assert post(CONFIRM, token=token).status_code == 204
    body = caller.get(profile).json()
    assert (body["email"], body["pending_email"]) == ("new@example.com", None)
    assert contacts.load_contacts([alice.pk])[alice.pk].email == "new@example.com"


def test_an_address_that_somebody_got_meanwhile_is_a_conflict(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        logged_in("alice@example.com").patch(
            f"/api/v1/users/{alice.pk}",
            {"email": "new@example.com", "current_password": PASSWORD},
            format="json",
        )
    ((_, token),) = mailed()
    make("bob", email="NEW@example.com")
    assert post(CONFIRM, token=token).status_code == 409
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


@pytest.mark.django_db
def test_the_link_is_sent_again_for_the_same_address(
    django_capture_on_commit_callbacks: Any,
) -> None:
    user = register(django_capture_on_commit_callbacks)
    caller = logged_in("ada@example.com")
    with django_capture_on_commit_callbacks(execute=True):
        answer = caller.patch(
            f"/api/v1/users/{user.pk}",
            {"email": "ADA@example.com", "current_password": PASSWORD},
            format="json",
        )
    assert answer.status_code == 200
    assert [to for to, _ in mailed(2)] == ["ada@example.com", "ADA@example.com"]


def test_a_forgotten_password_is_reset_once(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    caller = logged_in("alice@example.com")
    with django_capture_on_commit_callbacks(execute=True):
        assert post(RESET, email="Alice@Example.com").status_code == 202
    ((to, token),) = mailed()
    assert to == "alice@example.com"
    assert post(RESET_CONFIRM, token=token, password="12345678").status_code == 400
    assert post(RESET_CONFIRM, token=token, password=NEW_PASSWORD).status_code == 204
    assert post(RESET_CONFIRM, token=token, password=PASSWORD).status_code == 400
    assert caller.get(f"/api/v1/users/{alice.pk}").status_code == 401
    logged_in("alice@example.com", NEW_PASSWORD)


@pytest.mark.django_db
def test_a_reset_answers_the_same_for_nobody(django_capture_on_commit_callbacks: Any) -> None:
    make("bob", is_active=False)
    make("carol", email_confirmed_at=None)
    for name in ("nobody", "bob", "carol"):
        with django_capture_on_commit_callbacks() as callbacks:
            answer = post(RESET, email=f"{name}@example.com")
        assert (answer.status_code, answer.content) == (202, b"")
        assert callbacks == []


def test_resets_are_limited_by_account(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=1, seconds=3600)
    assert post(RESET, email="alice@example.com").status_code == 202
    other_place = APIClient(REMOTE_ADDR="192.0.2.1")
    answer = other_place.post(RESET, {"email": "ALICE@example.com"}, format="json")
    assert answer.status_code == 429


def test_opening_a_link_changes_nothing_and_its_button_does(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    with_cookies = APIClient(enforce_csrf_checks=True)
    token = confirmations.make_token(user=alice, address="alice@example.com")
    page = with_cookies.get("/account/confirm-email", {"token": token})
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    alice.refresh_from_db()
    assert alice.email_confirmed is False

    form = {"token": token, "csrfmiddlewaretoken": with_cookies.cookies["csrftoken"].value}
    done = with_cookies.post("/account/confirm-email", form)
    assert b"your e-mail address is confirmed" in done.content
    alice.refresh_from_db()
    assert alice.email_confirmed is True


def test_the_reset_page_sets_the_password_and_says_what_is_wrong(alice: User) -> None:
    token = password_resets.make_token(alice)
    browser = APIClient(HTTP_ACCEPT="text/html")
    assert b"New password" in browser.get("/account/reset-password", {"token": token}).content
    refused = browser.post("/account/reset-password", {"token": token, "password": "12345678"})
    assert refused.status_code == 400
    assert b"too common" in refused.content
    done = browser.post("/account/reset-password/", {"token": token, "password": NEW_PASSWORD})
    assert done.status_code == 200
    logged_in("alice@example.com", NEW_PASSWORD)
    assert browser.post("/account/reset-password", {"token": "x" * 500}).status_code == 400
