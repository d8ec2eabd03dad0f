"""Variables of sensitive templates are used once, never shown, and deleted afterwards."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.notifications.dead_letters import replay_one, store
from apps.notifications.feedback import receipts
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.intake.cancel import cancel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, DeadLetter, LetterState, Notification, SandboxMessage
from apps.notifications.privacy.redaction import REDACTED
from apps.notifications.scheduler.sweep import sweep
from apps.users.models import User
from tests.fakes.fcm_server import FcmServer
from tests.fakes.smtp_server import SmtpServer
from tests.notifications.delivering import deliver, deliver_and_refresh
from tests.notifications.factories import (
    SEPARATE_COUNTS,
    accepted,
    body,
    client_with,
    make_overdue,
    person,
    template,
)
from tests.notifications.problems import assert_problem
from tests.security.database_search import columns_with

pytestmark = pytest.mark.django_db

CODE = "code-741-852"
SECRETS: dict[str, Any] = {"code": CODE, "more": {"deep": [CODE]}}
SHOWN = {"code": REDACTED, "more": REDACTED}
MAIL = {
    "subject": "{{ code }} is your code",
    "body": "It is {{ more.deep[0] }}",
    "html": "<b>{{ code }}</b>",
}
PUSH = {"title": "{{ code }}", "body": "{{ code }}", "link": "https://example.com/{{ code }}"}


@pytest.fixture(autouse=True)
def one_time_codes(db: None) -> None:
    template("one-time-code", content=MAIL, sensitive=True)
    template("push-code", "push", content=PUSH, sensitive=True)


def a_code(user: User, **changes: Any) -> Notification:
    return accepted(user, **{"template_code": "one-time-code", "variables": SECRETS, **changes})


def failed(user: User) -> DeadLetter:
    """Return the dead letter of a one-time code that failed."""
    row = a_code(user)
    Notification.objects.filter(pk=row.pk).update(status=Status.FAILED, reason="attempts_exhausted")
    store.record_failed([row.pk])
    return DeadLetter.objects.get(notification=row)


def test_no_response_shows_the_values_even_before_they_are_deleted(
    shop: APIClient, alice: User
) -> None:
    asked = body(alice, template_code="one-time-code", variables=SECRETS)
    answers = [shop.post("/api/v1/notifications/", asked, format="json")]
    row = Notification.objects.get()
    assert row.secret_variables == SECRETS
    itself = f"/api/v1/notifications/{row.pk}"
    answers += [shop.get(path) for path in (itself, f"{itself}/status", "/api/v1/notifications/")]
    assert [answer.status_code for answer in answers] == [202, 200, 200, 200]
    assert answers[1].json()["variables"] == SHOWN
    assert [answer for answer in answers if CODE in answer.content.decode()] == []
    answers.append(shop.post(f"{itself}/cancel", format="json"))
    assert answers[-1].json()["variables"] == SHOWN


def test_the_desk_shows_no_sensitive_values(alice: User, charlie: User) -> None:
    letter = failed(alice)
    browser = Client()
    browser.force_login(charlie)
    for page in (
        f"/admin/messages/{letter.notification_id}/",
        f"/admin/dead-letters/{letter.pk}/",
    ):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert CODE not in answer.content.decode()


def test_a_mail_contains_the_values_and_they_are_deleted_afterwards(
    alice: User, smtp_server: SmtpServer, settings: Any
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp"]
    row = a_code(alice)
    deliver_and_refresh(row)
    (mail,) = smtp_server.mails
    assert mail.parsed["Subject"] == f"{CODE} is your code"
    assert (row.status, row.variables, row.secret_variables) == (Status.SENT, SHOWN, None)
    assert columns_with(CODE) == []


def test_a_push_contains_the_values_and_they_are_deleted_afterwards(
    alice: User, fcm_server: FcmServer, settings: Any
) -> None:
    settings.PUSH_PROVIDERS = ["fcm"]
    row = a_code(alice, template_code="push-code", notification_type="push")
    deliver_and_refresh(row)
    assert CODE in str(fcm_server.messages[0])
    assert row.status == Status.SENT
    assert columns_with(CODE) == []


@pytest.mark.parametrize(("code", "kind"), [("one-time-code", "email"), ("push-code", "push")])
def test_the_sandbox_stores_the_recipient_and_not_the_values(
    alice: User, code: str, kind: str
) -> None:
    row = a_code(alice, template_code=code, notification_type=kind)
    deliver_and_refresh(row)
    kept = SandboxMessage.objects.get(notification_id=row.pk)
    assert (row.status, kept.subject, kept.text) == (Status.DELIVERED, REDACTED, REDACTED)
    assert columns_with(CODE) == []


def skipped(row: Notification) -> None:
    User.objects.filter(pk=row.user_id).update(email_enabled=False)
    deliver_and_refresh(row)


def expired(row: Notification) -> None:
    make_overdue(row, expires_at=row.created_at)
    sweep()


def cancelled(row: Notification) -> None:
    cancel(row)


def bounced(row: Notification) -> None:
    User.objects.filter(pk=row.user_id).update(email="bounce@example.com")
    deliver_and_refresh(row)


def delivered(row: Notification) -> None:
    Notification.objects.filter(pk=row.pk).update(status=Status.SENDING)
    event = ReceiptEvent.DELIVERED
    receipts.take(row, ProviderEvent(provider="p", event=event, occurred_at=row.created_at))


@pytest.mark.usefixtures("lanes")  # Without the queues the sweep handles nothing.
@pytest.mark.parametrize(
    ("end", "status"),
    [
        (skipped, Status.SKIPPED),
        (expired, Status.EXPIRED),
        (cancelled, Status.CANCELLED),
        (bounced, Status.BOUNCED),
        (delivered, Status.DELIVERED),
    ],
)
def test_every_final_status_deletes_the_values_and_prevents_a_replay(
    shop: APIClient, alice: User, end: Callable[[Notification], None], status: Status
) -> None:
    row = a_code(alice)
    end(row)
    row.refresh_from_db()
    assert (row.status, row.variables, row.secret_variables) == (status, SHOWN, None)
    assert columns_with(CODE) == []
    refused = shop.post(f"/api/v1/notifications/{row.pk}/replay", format="json")
    assert_problem(refused, 409)
    assert Notification.objects.count() == 1


def test_a_retry_keeps_the_values(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="flaky@example.com")
    row = a_code(alice)
    deliver_and_refresh(row)
    assert (row.status, row.secret_variables) == (Status.RETRYING, SECRETS)


def test_a_failure_keeps_the_values_until_a_replay_takes_them(
    alice: User,
) -> None:
    letter = failed(alice)
    original = Notification.objects.get()
    assert original.secret_variables == SECRETS
    replayed = replay_one.replay(letter.pk, by="tests").replayed_as
    assert replayed is not None
    again = Notification.objects.get(pk=replayed)
    original.refresh_from_db()
    assert (original.secret_variables, again.secret_variables) == (None, SECRETS)
    assert (again.sensitive, again.variables) == (True, SHOWN)
    deliver_and_refresh(again)
    assert again.status == Status.DELIVERED
    assert columns_with(CODE) == []


def test_the_values_can_be_replayed_once(shop: APIClient, alice: User) -> None:
    letter = failed(alice)
    path = f"/api/v1/notifications/{letter.notification_id}/replay"
    assert shop.post(path, format="json").status_code == 202
    problem = assert_problem(shop.post(path, format="json"), 409)
    assert problem["code"] == "variables_redacted"
    assert Notification.objects.count() == 2


def test_a_discard_deletes_the_values(alice: User) -> None:
    letter = failed(alice)
    replay_one.discard(letter.pk, by="tests", reason="too late")
    letter.refresh_from_db()
    assert letter.state == LetterState.DISCARDED
    assert columns_with(CODE) == []


def test_a_repeated_request_still_gets_its_first_answer(shop: APIClient, alice: User) -> None:
    asked = body(alice, template_code="one-time-code", variables=SECRETS, request_id="login-1")
    first = shop.post("/api/v1/notifications/", asked, format="json")
    deliver_and_refresh(Notification.objects.get())
    second = shop.post("/api/v1/notifications/", asked, format="json")
    other = {**asked, "variables": {**SECRETS, "code": "another"}}
    refused = shop.post("/api/v1/notifications/", other, format="json")
    assert (second.status_code, second.json()) == (202, first.json())
    assert second["Idempotency-Replayed"] == "true"
    assert_problem(refused, 422)
    assert Notification.objects.count() == 1


def test_a_bulk_call_stores_no_copy_of_the_values(shop: APIClient, alice: User) -> None:
    asked = body(alice, template_code="one-time-code", variables=SECRETS)
    wrong = {**asked, "variables": {"code": CODE}}
    call = {"notifications": [asked, wrong, {**asked, "priority": CODE}]}
    answer = shop.post("/api/v1/notifications/bulk", call, format="json")
    assert [row["status"] for row in answer.json()["results"]] == [
        "accepted",
        "rejected",
        "rejected",
    ]
    assert Batch.objects.count() == 1
    assert columns_with(CODE) == ["notifications.Notification.secret_variables: " + CODE]


def test_a_chunk_of_codes_costs_the_same_number_of_statements_as_any_other(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    crowd = [person(f"user{place}") for place in range(20)]
    rows = [a_code(user) for user in crowd]
    # The same thirteen as for a chunk of mails: tests/notifications/delivery/test_query_counts.py.
    with django_assert_num_queries(13 + SEPARATE_COUNTS):
        deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    assert (
        Notification.objects.filter(secret_variables__isnull=True, status="delivered").count() == 20
    )


def test_the_variables_of_other_templates_are_kept(shop: APIClient, alice: User) -> None:
    row = accepted(alice)
    deliver_and_refresh(row)
    assert (row.status, row.sensitive) == (Status.DELIVERED, False)
    assert shop.get(f"/api/v1/notifications/{row.pk}").json()["variables"]["name"] == "Ada"


def test_a_test_notification_is_redacted_like_a_live_one(alice: User) -> None:
    caller = client_with(client="shop", kind=Kind.TEST)
    asked = body(alice, template_code="one-time-code", variables=SECRETS)
    assert caller.post("/api/v1/notifications/", asked, format="json").status_code == 202
    deliver_and_refresh(Notification.objects.get())
    assert columns_with(CODE) == []
