"""Providers: how they are, what they said, tested and forced by those who may."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.conf import settings as project_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.desk.models import AuditEntry
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers import Forced, State, Tally
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.models import Attempt, Notification
from apps.notifications.providers.base import Reply
from apps.users.models import User
from tests.desk.conftest import Login
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.factories import accepted

PAGE = "/admin/providers/"
FORCE = f"{PAGE}fcm/fcm:ios/force/"
FORM = {"way": "open", "length": "1-hour", "reason": "Apple is being migrated"}


@pytest.fixture(autouse=True)
def _mail_by_smtp(settings: Any) -> None:
    settings.EMAIL_PROVIDERS, settings.PUSH_PROVIDERS = ["smtp"], ["fcm"]


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operator")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that moves the clock of this process forward, in seconds."""
    usual, moved = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: usual() + moved[0])
    return lambda seconds: moved.__setitem__(0, moved[0] + seconds)


def text_of(answer: Any) -> str:
    """Return a page as people read it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def failed_call(row: Notification, provider: str, code: str, detail: str) -> None:
    Attempt.objects.create(
        notification=row,
        number=1,
        provider=provider,
        outcome=Outcome.REJECTED,
        code=code,
        detail=detail,
        started_at=timezone.now(),
        duration_ms=12,
    )


def test_every_provider_is_shown_with_its_breakers_and_its_limit(
    login: Login, settings: Any
) -> None:
    settings.PROVIDER_MAX_PER_SECOND = {"smtp": 14.0}
    breakers.report("fcm:ios", Tally(successes=0, failures=0, fatal="third_party_auth_error"))

    page = text_of(login("Viewer").get(PAGE))

    for name in ("smtp", "sendgrid", "fcm:android", "fcm:ios", "fcm:web"):
        assert name in page
    assert "It is the first choice for email and sends." in page
    assert "It serves only android, web" in page
    assert "It is not in use: no setting names it." in page
    assert "Firebase has no valid key for Apple" in page
    assert "14 calls a second" in page
    assert page.count("Sends nothing") == 1
    assert "Not in use: sendgrid" in page
    assert "third_party_auth_error" not in page


def test_the_latest_failed_calls_are_shown_in_the_providers_words(
    login: Login, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(ada)
    failed_call(row, "smtp", "554 5.7.1", "Relay access denied")
    failed_call(row, "sendgrid", "403", "the sender is not verified")
    viewer = login("Viewer")

    page = text_of(viewer.get(PAGE))
    monkeypatch.setattr("apps.desk.providers.cards.ROWS_SEARCHED", 1)
    newest = text_of(viewer.get(PAGE))

    assert "refused it 554 5.7.1 Relay access denied" in page
    assert "the sender is not verified" in page
    assert "Relay access denied" not in newest


def test_the_sandbox_says_that_nothing_leaves(login: Login, settings: Any) -> None:
    settings.EMAIL_PROVIDERS = ["sandbox"]

    assert "Nothing leaves this server." in text_of(login("Viewer").get(PAGE))


def test_a_breaker_is_forced_with_a_reason_and_an_end(
    operator: Client, later: Callable[[float], None]
) -> None:
    answer = operator.post(FORCE, FORM, follow=True)

    assert len(answer.context["messages"]) == 1
    assert "Breaker fcm:ios is forced open for 1 hour." in text_of(answer)
    assert breakers.shown("fcm:ios").effective is State.OPEN
    assert breakers.shown("fcm:android").effective is State.CLOSED
    (entry,) = AuditEntry.objects.all()
    assert (entry.action, entry.object_type, entry.object_id, entry.detail) == (
        "forced_open",
        "provider",
        "fcm:ios",
        "for 1 hour: Apple is being migrated",
    )
    assert "“Apple is being migrated” Operator, ends in 59 min" in text_of(operator.get(PAGE))

    later(3601)

    assert breakers.shown("fcm:ios").effective is State.CLOSED
    assert "Apple is being migrated" not in text_of(operator.get(PAGE))


def test_a_force_until_it_is_given_back_has_no_end(
    operator: Client, later: Callable[[float], None]
) -> None:
    operator.post(FORCE, {**FORM, "way": "closed", "length": "given-back"})
    later(10**6)

    assert breakers.shown("fcm:ios").forced is Forced.CLOSED
    assert "until it is given back" in text_of(operator.get(PAGE))

    page = operator.post(f"{PAGE}fcm/fcm:ios/give-back/", follow=True)

    assert breakers.shown("fcm:ios").forced is Forced.AUTO
    assert "Breaker fcm:ios opens and closes by itself again." in text_of(page)
    assert AuditEntry.objects.filter(action="given_back", object_id="fcm:ios").exists()


@pytest.mark.parametrize(
    "wrong", [{"reason": ""}, {"reason": " "}, {"length": "a-year"}, {"way": "ajar"}]
)
def test_what_is_missing_is_asked_for_and_nothing_is_forced(
    operator: Client, wrong: dict[str, str]
) -> None:
    page = text_of(operator.post(FORCE, {**FORM, **wrong}))

    assert "A reason is needed." in page or "Choose what to do" in page
    assert breakers.shown("fcm:ios").forced is Forced.AUTO
    assert not AuditEntry.objects.exists()


def test_a_forced_breaker_is_seen_on_every_page_of_the_desk_and_of_the_admin(
    login: Login, operator: Client
) -> None:
    operator.post(FORCE, FORM)
    viewer = login("Viewer")

    for page in ("/admin/", "/admin/messages/", "/admin/users/user/"):
        shown = text_of(viewer.get(page))
        assert "fcm:ios is forced by hand: nothing is sent through it" in shown
        assert "“Apple is being migrated” (Operator). Ends in 59 min" in shown
    assert "forced by hand" not in Client().get("/admin/login/").content.decode()


def test_the_banner_costs_one_query_and_none_while_nothing_is_forced(
    login: Login, operator: Client
) -> None:
    viewer = login("Viewer")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            viewer.get("/admin/settings/")
        return len(captured)

    queries()
    without = queries()
    operator.post(FORCE, FORM)

    # For the names of those who forced one.
    assert queries() == without + 1


@pytest.mark.services
def test_pages_open_without_redis(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = login("Viewer")
    assert project_settings.REDIS_URL

    def refuse(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    with monkeypatch.context() as away:
        away.setattr(redis.connection.ConnectionPool, "get_connection", refuse)

        assert viewer.get("/admin/settings/").status_code == 200
        assert viewer.get(PAGE).status_code == 200


def test_the_connection_is_tested_on_a_click(operator: Client, smtp_server: SmtpServer) -> None:
    works = text_of(operator.post(f"{PAGE}email/smtp/test/", follow=True))
    smtp_server.stop_serving()
    away = text_of(operator.post(f"{PAGE}email/smtp/test/", follow=True))

    assert "The connection of smtp works, after" in works
    assert "The connection of smtp does not work" in away
    assert "The provider could not be reached." in away
    details = AuditEntry.objects.filter(action="tested").order_by("pk")
    assert [entry.detail for entry in details] == [
        "It works.",
        "The provider could not be reached.",
    ]
    assert operator.post(f"{PAGE}email/pigeon/test/").status_code == 404
    assert operator.post(f"{PAGE}smoke/smtp/test/").status_code == 404


def test_the_limit_that_a_provider_asked_for_is_lifted(operator: Client) -> None:
    asked = Reply(outcome=Outcome.RATE_LIMITED, pause_seconds=60)
    limits.report("fcm", [asked], began=time.time())
    assert "It wants no call for now" in text_of(operator.get(PAGE))

    operator.post(f"{PAGE}fcm/lift/")

    assert limits.shown("fcm").per_second is None
    assert AuditEntry.objects.get().action == "limit_lifted"


@pytest.mark.parametrize(
    "address", [FORCE, f"{PAGE}fcm/fcm:ios/give-back/", f"{PAGE}fcm/lift/", f"{PAGE}push/fcm/test/"]
)
def test_a_viewer_sees_the_page_and_cannot_change_anything(login: Login, address: str) -> None:
    viewer = login("Viewer")
    breakers.force(["fcm:ios"], Forced.OPEN)

    page = viewer.get(PAGE).content.decode()

    assert "Force…" not in page
    assert "Test the connection" not in page
    assert viewer.post(address, FORM).status_code == 403
    assert breakers.shown("fcm:ios").forced is Forced.OPEN
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        f"{PAGE}fcm/smtp/force/",
        f"{PAGE}sandbox/sandbox/force/",
        f"{PAGE}fcm/pigeon/give-back/",
        f"{PAGE}pigeon/lift/",
    ],
)
def test_unknown_breakers_and_providers_are_refused(operator: Client, address: str) -> None:
    assert operator.post(address, FORM).status_code == 404
    assert not AuditEntry.objects.exists()


def test_staff_without_permission_and_unauthenticated_callers_do_not_see_it(
    login: Login, client: Client
) -> None:
    assert login("Nobody").get(PAGE).status_code == 403
    answer = client.get(PAGE)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={PAGE}")
    assert client.post(FORCE, FORM).status_code == 302
    assert breakers.shown("fcm:ios").forced is Forced.AUTO


def test_a_form_from_another_site_changes_nothing(login: Login) -> None:
    strict = Client(enforce_csrf_checks=True)
    login("Operator")
    strict.force_login(User.objects.get(email="operator@example.com"))

    assert strict.post(FORCE, FORM).status_code == 403

    assert breakers.shown("fcm:ios").forced is Forced.AUTO
