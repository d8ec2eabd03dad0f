"""Address confirmation and password reset with links from mails."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote

import pytest
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.notifications.models import Notification
from apps.notifications.providers.registry import close_all
from apps.users import confirmations, contacts, password_resets
from apps.users.models import User
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.delivering import deliver
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


@pytest.fixture
def smtp(smtp_server: SmtpServer, settings: Any) -> Iterator[SmtpServer]:
    settings.EMAIL_PROVIDERS = ["smtp"]
    yield smtp_server
    close_all()


def post(path: str, **body: Any) -> Any:
    return APIClient().post(path, body, format="json")


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def mailed(smtp: SmtpServer, count: int = 1) -> list[tuple[str, str]]:
    """Deliver what is pending; return recipient and token of every mail so far, in order."""
    waiting = Notification.objects.filter(status="pending").order_by("pk")
    for pk in waiting.values_list("pk", flat=True):
        # One by one, because the mails of a chunk are sent in parallel.
        deliver(channel=Channel.EMAIL, ids=[pk], attempt=0)
    found = []
    for received in smtp.mails:
        match = re.search(
            r"https://notify\.example\.com(/account/[a-z-]+\?token=(\S+))", text_of(received.parsed)
        )
        assert match is not None
        found.append((received.recipient, unquote(match.group(2))))
    assert len(found) == count
    return found


def register(email: str = "ada@example.com") -> User:
    answer = post("/api/v1/users/", name="Ada", email=email, password=PASSWORD)
    assert answer.status_code == 201
    assert answer.json()["email_confirmed"] is False
    return User.objects.get(pk=answer.json()["id"])


@pytest.mark.django_db
def test_a_registered_address_is_used_once_it_is_confirmed(smtp: SmtpServer) -> None:
    user = register()
    assert contacts.load_contacts([user.pk])[user.pk].email is None
    ((to, token),) = mailed(smtp)
    assert to == "ada@example.com"
    assert [post(CONFIRM, token=token).status_code for _ in range(2)] == [204, 204]
    assert contacts.load_contacts([user.pk])[user.pk].email == "ada@example.com"


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x", "WyJhIl0:1:x", "\u00e9"])
def test_a_forged_token_confirms_nothing(token: str) -> None:
    user = make("alice", email_confirmed_at=None)
    answer = post(CONFIRM, token=token)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/token"
    user.refresh_from_db()
    assert user.email_confirmed is False


def test_an_address_given_by_a_client_needs_no_confirmation(shop: APIClient) -> None:
    body = {"name": "Ada", "email": "ada@example.com"}
    assert shop.post("/api/v1/users/", body, format="json").json()["email_confirmed"] is True
    assert not Notification.objects.exists()


def test_a_changed_address_is_used_after_its_confirmation(alice: User, smtp: SmtpServer) -> None:
    caller = logged_in("alice@example.com")
    profile = f"/api/v1/users/{alice.pk}"
    answer = caller.patch(
        profile, {"email": "new@example.com", "current_password": PASSWORD}, format="json"
    )
    assert answer.status_code == 200
    assert answer.json()["email"] == "alice@example.com"
    assert answer.json()["pending_email"] == "new@example.com"
    assert contacts.load_contacts([alice.pk])[alice.pk].email == "alice@example.com"

    ((to, token),) = mailed(smtp)
    assert to == "new@example.com"
    assert post(CONFIRM, token=token).status_code == 204
    body = caller.get(profile).json()
    assert (body["email"], body["pending_email"]) == ("new@example.com", None)
    assert contacts.load_contacts([alice.pk])[alice.pk].email == "new@example.com"


def test_confirming_an_address_that_was_taken_since_is_a_conflict(
    alice: User, smtp: SmtpServer
) -> None:
    logged_in("alice@example.com").patch(
        f"/api/v1/users/{alice.pk}",
        {"email": "new@example.com", "current_password": PASSWORD},
        format="json",
    )
    ((_, token),) = mailed(smtp)
    make("bob", email="NEW@example.com")
    assert post(CONFIRM, token=token).status_code == 409
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


@pytest.mark.django_db
def test_the_link_is_sent_again_for_the_same_address(smtp: SmtpServer) -> None:
    user = register()
    caller = logged_in("ada@example.com")
    answer = caller.patch(
        f"/api/v1/users/{user.pk}",
        {"email": "ADA@example.com", "current_password": PASSWORD},
        format="json",
    )
    assert answer.status_code == 200
    assert [to for to, _ in mailed(smtp, 2)] == ["ada@example.com", "ADA@example.com"]


def test_a_reset_link_works_once(alice: User, smtp: SmtpServer) -> None:
    caller = logged_in("alice@example.com")
    assert post(RESET, email="Alice@Example.com").status_code == 202
    ((to, token),) = mailed(smtp)
    assert to == "alice@example.com"
    assert post(RESET_CONFIRM, token=token, password="12345678").status_code == 400
    assert post(RESET_CONFIRM, token=token, password=NEW_PASSWORD).status_code == 204
    assert post(RESET_CONFIRM, token=token, password=PASSWORD).status_code == 400
    assert caller.get(f"/api/v1/users/{alice.pk}").status_code == 401
    logged_in("alice@example.com", NEW_PASSWORD)


@pytest.mark.django_db
def test_a_reset_for_an_unknown_address_gets_the_same_answer_and_no_mail(
    django_capture_on_commit_callbacks: Any,
) -> None:
    make("bob", is_active=False)
    make("carol", email_confirmed_at=None)
    for name in ("nobody", "bob", "carol"):
        with django_capture_on_commit_callbacks() as callbacks:
            answer = post(RESET, email=f"{name}@example.com")
        assert (answer.status_code, answer.content) == (202, b"")
        assert callbacks == []
    assert not Notification.objects.exists()


def test_resets_are_rate_limited_by_account(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=1, seconds=3600)
    assert post(RESET, email="alice@example.com").status_code == 202
    other_place = APIClient(REMOTE_ADDR="192.0.2.1")
    answer = other_place.post(RESET, {"email": "ALICE@example.com"}, format="json")
    assert answer.status_code == 429


def test_opening_a_link_changes_nothing_and_its_button_confirms(alice: User) -> None:
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


def test_the_reset_page_sets_the_password_and_shows_errors(alice: User) -> None:
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
