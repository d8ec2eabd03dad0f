"""Links in account mails: nobody else sees them, and they lead only to the configured URL."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.common.rest.problems import Problem
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.templates import rendering, versions
from apps.templates.content import check
from apps.templates.models import Template, TemplateVersion
from apps.users import api_keys, tokens
from apps.users.models import ApiKey, User
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.factories import SEPARATE_COUNTS, accepted, client_with, person, template
from tests.notifications.intake.account_mails.account_mail_helpers import (
    deliver_due,
    post_reset,
    request_reset,
    send_confirmation,
    text_of,
    token_in,
)
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db

PATH = "/api/v1/notifications/"
EVIL = {
    "subject": "Evil",
    "body": "https://evil.example/?{{ link }}",
    "html": "<a href='https://evil.example/?{{ link }}'>Evil</a>",
}


@pytest.fixture
def smtp(smtp_server: SmtpServer, settings: Any) -> SmtpServer:
    settings.EMAIL_PROVIDERS = ["smtp"]
    return smtp_server


def with_token(user: User) -> APIClient:
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access}")
    return caller


def ids(caller: APIClient, **query: Any) -> list[str]:
    answer = caller.get(PATH, query)
    assert answer.status_code == 200
    return [found["id"] for found in answer.json()["results"]]


NO_OPERATOR = (Scope.NOTIFICATIONS_READ, Scope.NOTIFICATIONS_SEND)


@pytest.mark.parametrize("caller", ["client", "client named system", "test operator", "owner"])
def test_an_account_mail_is_hidden_from_clients_test_keys_and_end_users(
    alice: User, caller: str
) -> None:
    row = request_reset(alice)
    callers = {
        "client": lambda: client_with(*NO_OPERATOR, client="shop"),
        "client named system": lambda: of_old_client(*NO_OPERATOR),
        "test operator": lambda: client_with(client="shop", kind=Kind.TEST),
        "owner": lambda: with_token(alice),
    }
    looking = callers[caller]()
    assert ids(looking) == []
    assert ids(looking, template_code="system:reset-password") == []
    for path in (f"{PATH}{row.pk}", f"{PATH}{row.pk}/status"):
        assert_problem(looking.get(path), 404)
    if caller != "owner":
        for act in ("cancel", "replay"):
            assert_problem(looking.post(f"{PATH}{row.pk}/{act}", format="json"), 404)
    row.refresh_from_db()
    assert row.status == Status.PENDING


def of_old_client(*scopes: Scope) -> APIClient:
    """Make a client whose name was created before it was reserved."""
    api_key, plain = api_keys.create(name="old", client="old", scopes=scopes)
    ApiKey.objects.filter(pk=api_key.pk).update(client="system")
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Api-Key {plain}")
    return caller


def test_operators_see_an_account_mail_without_its_link_and_recipient(
    alice: User, charlie: User
) -> None:
    row = request_reset(alice)
    assert row.secret_variables is not None
    operator = client_with(client="operators")
    assert ids(operator) == [str(row.pk)]
    browser = Client()
    browser.force_login(charlie)
    answers: list[Any] = [
        operator.get(PATH),
        operator.get(f"{PATH}{row.pk}"),
        operator.get(f"{PATH}{row.pk}/status"),
        browser.get("/admin/messages/"),
        browser.get(f"/admin/messages/{row.pk}/"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert token_in(row.secret_variables["link"]) not in answer.content.decode()
    for answer in answers[:3]:
        assert "alice@example.com" not in answer.content.decode()
    # The desk names the person to staff who may see people, but not what the mail was sent to.
    assert "a***@example.com" in answers[-1].content.decode()
    shown = answers[1].json()
    assert shown["template_code"] == "system:reset-password"
    assert shown["variables"] == dict.fromkeys(("link", "name", "until"), "[redacted]")
    assert operator.post(f"{PATH}{row.pk}/cancel", format="json").json()["status"] == "cancelled"


def test_the_sandbox_stores_the_recipient_of_an_account_mail_and_not_its_link(
    alice: User, charlie: User
) -> None:
    row = deliver_due(request_reset(alice))
    assert row.status == Status.DELIVERED
    browser = Client()
    browser.force_login(charlie)
    page = browser.get("/sandbox/").content.decode()
    assert "alice@example.com" in page
    assert "token=" not in page


@pytest.mark.parametrize("way", ["published", "same version id"])
def test_a_stored_template_cannot_replace_the_builtin_text(
    alice: User, smtp: SmtpServer, way: str
) -> None:
    row = request_reset(alice)
    # No API allows this; it simulates a direct write to the database.
    template("evil", content=EVIL)
    Template.objects.filter(code="evil").update(code=row.template_code)
    if way == "same version id":
        evil = TemplateVersion.objects.filter(template__code=row.template_code)
        evil.update(id=row.template_version_id)
    rendering.forget()
    deliver_due(row)
    again = deliver_due(request_reset(alice))
    assert again.language == "en"
    assert len(smtp.mails) == 2
    for mail in smtp.mails:
        assert mail.parsed["Subject"] == "Set a new password"
        assert "evil" not in mail.parsed.as_string()


def test_builtin_texts_are_not_listed_and_cannot_be_created_read_or_changed(
    alice: User, shop: APIClient, charlie: User
) -> None:
    row = request_reset(alice)
    code = row.template_code
    body = {"code": code, "notification_type": "email", "name": "Evil", **EVIL}
    assert shop.post("/api/v1/templates/", body, format="json").status_code == 400
    listed = [one["code"] for one in shop.get("/api/v1/templates/").json()["results"]]
    assert listed == ["parcel", "welcome"]
    itself = f"/api/v1/templates/{code}"
    calls = [
        shop.get(itself),
        shop.put(itself, EVIL, format="json"),
        shop.post(f"{itself}/preview", {"variables": {}}, format="json"),
        shop.post(f"{itself}/versions/1/publish", format="json"),
    ]
    assert [answer.status_code for answer in calls] == [404, 404, 404, 404]
    asked = {
        "notification_type": "email",
        "user_id": str(alice.pk),
        "template_code": code,
        "variables": {"name": "a", "link": "https://evil.example", "until": "b"},
    }
    answer = shop.post(PATH, asked, format="json")
    assert assert_problem(answer, 422)["errors"][0]["pointer"] == "/template_code"
    browser = Client()
    browser.force_login(charlie)
    assert code not in browser.get("/admin/templates/template/").content.decode()
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("code", ["system:reset-password", "System:anything"])
def test_a_template_cannot_be_created_with_a_system_code(code: str) -> None:
    with pytest.raises(Problem) as refusal:
        versions.create(
            template=versions.NewTemplate(
                code=code,
                channel="email",
                name="Evil",
                default_language="en",
                category="general",
            ),
            content=check("email", EVIL),
            author="tests",
        )
    assert [error.pointer for error in refusal.value.errors] == ["/code"]
    assert not Template.objects.exists()


@pytest.mark.parametrize("field", ["recipient", "client"])
def test_a_client_cannot_set_the_recipient_of_a_notification(
    shop: APIClient, alice: User, nothing_stored: None, field: str
) -> None:
    body = {
        "notification_type": "email",
        "user_id": str(alice.pk),
        "template_code": "welcome",
        "variables": {"name": "Ada", "link": "https://example.com"},
        field: "system",
    }
    assert_problem(shop.post(PATH, body, format="json"), 400)


@pytest.mark.parametrize("name", ["system", " System "])
def test_a_key_cannot_be_created_for_the_system_client(name: str) -> None:
    for key, client in ((name, None), ("shop", name)):
        with pytest.raises(ValueError, match="belongs to the system"):
            api_keys.create(name=key, client=client)
    assert not ApiKey.objects.exists()


def test_an_older_client_named_system_keeps_its_keys_without_system_rights(
    alice: User, smtp: SmtpServer
) -> None:
    old = of_old_client(*NO_OPERATOR)
    body = {
        "notification_type": "email",
        "user_id": str(alice.pk),
        "template_code": "welcome",
        "variables": {"name": "Ada", "link": "https://example.com"},
    }
    sent = old.post(PATH, body, format="json")
    assert sent.status_code == 202
    ours = request_reset(alice)
    assert ids(old) == [sent.json()["id"]]
    assert deliver_due(ours).status == Status.SENT
    theirs = deliver_due(Notification.objects.get(pk=sent.json()["id"]))
    assert (theirs.status, theirs.client, theirs.recipient) == (Status.SENT, "system", None)
    assert smtp.mails[-1].parsed["Subject"] == "Welcome, Ada"
    successor, plain = api_keys.rotate(key_id=ApiKey.objects.get(client="system").pk)
    assert successor.client == "system"
    assert api_keys.verify(plain) is not None


def statements(email: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert post_reset(email).status_code == 202
    # Without values, which differ from mail to mail, and without names of savepoints.
    shapes = [query["sql"].partition(" ") for query in queries]
    return [verb for verb, _, _ in shapes]


def test_a_reset_costs_the_same_statements_for_an_unknown_address(alice: User) -> None:
    person("bob", is_active=False)
    person("carol", email_confirmed_at=None)
    known = statements("alice@example.com")
    # PostgreSQL inserts the row and its counts with one statement, which begins with WITH.
    assert known.count("INSERT") + known.count("WITH") == 1 + SEPARATE_COUNTS
    assert Notification.objects.count() == 1
    for name in ("nobody", "bob", "carol"):
        unknown = statements(f"{name}@example.com")
        # Rolling the row back is one statement more than keeping it, without a wait.
        assert [verb for verb in unknown if verb != "ROLLBACK"] == known, name
    assert Notification.objects.count() == 1


def test_a_reset_that_is_rolled_back_wakes_no_worker(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        post_reset("nobody@example.com")
    assert callbacks == []


def test_a_link_uses_only_the_configured_url(alice: User, smtp: SmtpServer, settings: Any) -> None:
    settings.PUBLIC_URL = "https://notify.example.com"
    deliver_due(request_reset(alice))
    deliver_due(send_confirmation(alice, "new@example.com"))
    for mail in smtp.mails:
        for kind in ("plain", "html"):
            text = text_of(mail.parsed, kind)
            links = text.count("https://")
            assert links == text.count("https://notify.example.com/account/") > 0


def test_notifications_of_clients_stay_visible_to_them(shop: APIClient, alice: User) -> None:
    row = accepted(alice)
    assert row.visible_to_clients
    assert not request_reset(alice).visible_to_clients
    assert ids(client_with(*NO_OPERATOR)) == [str(row.pk)]
    assert ids(with_token(alice)) == [str(row.pk)]
