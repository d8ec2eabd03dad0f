"""One chunk from claim to record, sent to fake SMTP and FCM servers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.common.channels import Channel
from apps.notifications.delivery import record
from apps.notifications.delivery.attempt_rounds import AttemptRound, Call
from apps.notifications.delivery.claim import claim
from apps.notifications.delivery.retry_policy import Policy
from apps.notifications.delivery.settle import RETRY_GRACE
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, DeadLetter, Notification
from apps.notifications.providers.base import Mail, Reply
from apps.users.models import Device, Suppression, User
from tests.fakes.fcm_server import FcmServer, refusal
from tests.fakes.sendgrid_server import SendGridServer
from tests.fakes.smtp_server import DROP, SmtpServer
from tests.notifications.delivering import deliver, deliver_and_refresh, outcomes_of
from tests.notifications.factories import TEST_CALLER, accepted, person

pytestmark = pytest.mark.django_db


def test_a_mail_that_the_server_accepted_is_sent_until_a_receipt_arrives(
    alice: User, smtp: SmtpServer
) -> None:
    row = accepted(alice)
    deliver_and_refresh(row)
    assert (row.status, row.attempts, row.wake_at) == (Status.SENT, 1, None)
    (mail,) = smtp.mails
    assert mail.recipient == "alice@example.com"
    assert mail.parsed["Subject"] == "Welcome, Ada"
    assert mail.parsed["Message-ID"] == f"<{row.pk}@example.com>"
    assert mail.parsed["X-Correlation-ID"] == row.correlation_id
    assert mail.parsed["Auto-Submitted"] == "auto-generated"
    assert mail.parsed["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    (attempt,) = Attempt.objects.all()
    assert (attempt.provider, attempt.outcome, attempt.number) == ("smtp", "accepted", 1)


def test_a_busy_server_costs_an_attempt_and_is_tried_again(alice: User, smtp: SmtpServer) -> None:
    smtp.answer("rcpt", "450 4.2.0 Mailbox busy", times=1)
    row = accepted(alice)
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 1)
    Notification.objects.update(next_attempt_at=timezone.now())
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.SENT, 2)
    assert [(number, outcome) for number, outcome, _ in outcomes_of(row)] == [
        (1, "transient"),
        (2, "accepted"),
    ]


@pytest.mark.parametrize(
    ("stage", "refusal", "outcome"),
    [
        ("mail", "550 5.4.5 Daily user sending limit exceeded.", "configuration"),
        ("end", "554 5.7.0 The number of allowed outgoing messages was exceeded", "configuration"),
        ("ehlo", "450 4.7.1 Helo command rejected", "unavailable"),
        ("connect", "421 4.3.2 Too many connections", "unavailable"),
    ],
)
def test_what_concerns_us_or_the_server_spends_no_attempt_of_the_mail(
    alice: User, smtp: SmtpServer, stage: str, refusal: str, outcome: str
) -> None:
    smtp.answer(stage, refusal)
    row = accepted(alice)
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 0)
    assert [attempt.outcome for attempt in Attempt.objects.all()] == [outcome]
    assert refusal[10:] in row.events.get().detail


def test_a_server_that_takes_ten_mails_in_a_session_gets_all_mails_of_a_chunk(
    alice: User, smtp: SmtpServer
) -> None:
    smtp.session_limit = (10, "data", "452 4.4.5 Maximum number of messages per session exceeded.")
    rows = [accepted(alice) for _ in range(100)]
    deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    assert set(Notification.objects.values_list("status", "attempts")) == {(Status.SENT, 1)}
    assert len(smtp.mails) == 100
    assert not Attempt.objects.exclude(outcome="accepted").exists()


def test_the_next_provider_takes_over_when_the_quota_of_the_first_is_used_up(
    alice: User, smtp: SmtpServer, sendgrid_server: SendGridServer, settings: Settings
) -> None:
    settings.EMAIL_PROVIDERS = ["smtp", "sendgrid"]
    smtp.answer("mail", "550 5.4.5 Daily user sending limit exceeded.")
    first, second = accepted(alice), accepted(alice)
    deliver_and_refresh(first)
    deliver_and_refresh(second)
    assert (first.status, second.status) == (Status.RETRYING, Status.SENT)
    assert [attempt.provider for attempt in second.attempt_rows.all()] == ["sendgrid"]


def test_greylisting_waits_at_least_a_minute(alice: User, smtp: SmtpServer) -> None:
    smtp.answer("rcpt", "451 4.7.1 Greylisted, try again later")
    row = accepted(alice)
    before = timezone.now()
    deliver_and_refresh(row)
    assert row.status == Status.RETRYING
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - before >= timedelta(seconds=60)


def test_an_address_that_does_not_exist_bounces_and_is_suppressed(
    alice: User, bob: User, smtp: SmtpServer
) -> None:
    smtp.answer("rcpt", "550 5.1.1 No such user", recipient="alice@example.com")
    gone, good = accepted(alice), accepted(bob)
    deliver(channel=Channel.EMAIL, ids=[gone.pk, good.pk], attempt=0)
    gone.refresh_from_db()
    good.refresh_from_db()
    assert (gone.status, gone.reason) == (Status.BOUNCED, "hard_bounce")
    assert good.status == Status.SENT
    assert Suppression.objects.count() == 1
    assert DeadLetter.objects.count() == 0


def test_wrong_credentials_keep_the_message_and_spend_no_attempt(
    alice: User, smtp: SmtpServer
) -> None:
    smtp.answer("mail", "530 5.7.0 Authentication required")
    row = accepted(alice)
    before = timezone.now()
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 0)
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - before >= timedelta(seconds=30)
    for _ in range(3):
        Notification.objects.update(next_attempt_at=timezone.now())
        deliver_and_refresh(row)
        assert (row.status, row.attempts) == (Status.RETRYING, 0)
        assert row.next_attempt_at is not None
        assert row.next_attempt_at > timezone.now()
    assert {number for number, _, _ in outcomes_of(row)} == {1}


def test_an_unknown_outcome_is_recorded_and_repeated_with_the_same_message_id(
    alice: User, smtp: SmtpServer
) -> None:
    smtp.answer("end", DROP, times=1)
    row = accepted(alice)
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 1)
    Notification.objects.update(next_attempt_at=timezone.now())
    deliver_and_refresh(row)
    assert row.status == Status.SENT
    assert [outcome for _, outcome, _ in outcomes_of(row)] == ["unknown", "accepted"]
    assert set(smtp.message_ids) == {f"<{row.pk}@example.com>".encode()}


def test_an_unreachable_server_costs_attempts_until_the_deadline(
    alice: User, smtp: SmtpServer, settings: Any
) -> None:
    settings.EMBEDDED = True
    smtp.stop_serving()
    row = accepted(alice, expires_at=timezone.now() + timedelta(seconds=2))
    deliver_and_refresh(row)
    assert (row.status, row.reason, row.attempts) == (Status.FAILED, "attempts_exhausted", 1)
    assert DeadLetter.objects.get().reason == "attempts_exhausted"
    smtp.serve_again()


def test_a_dead_device_does_not_stop_the_push_to_another(welcome: None, fcm: FcmServer) -> None:
    dora = person("dora", tokens=("dead", "good"))
    fcm.scripted["dead"] = [
        refusal(404, "NOT_FOUND", "Requested entity was not found.", fcm="UNREGISTERED")
    ]
    row = accepted(dora, notification_type="push")
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.SENT, 1)
    assert dict(Device.objects.values_list("token", "retired_reason")) == {
        "dead": "unregistered",
        "good": "",
    }
    (message,) = fcm.messages
    data = message["data"]
    assert data["notification_id"] == str(row.pk)
    assert data["correlation_id"] == row.correlation_id


def test_only_the_busy_device_is_tried_again(welcome: None, fcm: FcmServer) -> None:
    dora = person("dora", tokens=("busy", "good"))
    fcm.scripted["busy"] = [
        refusal(503, "UNAVAILABLE", "Later.", fcm="UNAVAILABLE", retry_after="40")
    ]
    row = accepted(dora, notification_type="push")
    before = timezone.now()
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 1)
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - before >= timedelta(seconds=40)
    fcm.scripted.clear()
    Notification.objects.update(next_attempt_at=timezone.now())
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.SENT, 2)
    assert sorted(fcm.notification_ids.values()) == [1, 1]


def test_an_exceeded_quota_waits_at_least_a_minute(welcome: None, fcm: FcmServer) -> None:
    dora = person("dora", tokens=("one",))
    fcm.scripted["one"] = [refusal(429, "RESOURCE_EXHAUSTED", "Quota.", fcm="QUOTA_EXCEEDED")]
    row = accepted(dora, notification_type="push")
    before = timezone.now()
    deliver_and_refresh(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 1)
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - before >= timedelta(seconds=60)


def test_a_test_notification_is_never_sent_to_a_server(
    alice: User, smtp: SmtpServer, fcm: FcmServer
) -> None:
    for kind in ("email", "push"):
        row = accepted(alice, caller=TEST_CALLER, notification_type=kind)
        deliver_and_refresh(row)
        assert row.status == Status.DELIVERED
    assert (smtp.mails, fcm.messages) == ([], [])


def test_the_sweep_checks_a_retry_soon_after_it_was_due(alice: User) -> None:
    """Recorded without a server and at a fixed time, so that no timeout influences the result."""
    row, now = accepted(alice), datetime(2026, 11, 25, 12, tzinfo=UTC)
    claimed = claim([row.pk], attempt=0)
    mail = Mail(
        notification_id=row.pk,
        correlation_id=row.correlation_id,
        message_id="<m@example.com>",
        sender="notifications@example.com",
        recipient="alice@example.com",
        recipient_name="Alice",
        subject="Welcome",
        text="Welcome",
    )
    busy = Reply(outcome=Outcome.TRANSIENT, code="450")
    done = AttemptRound(
        notification=claimed.rows[0],
        started_at=now,
        accepted_before=False,
        calls=[Call(message=mail, provider="smtp", reply=busy)],
    )
    record.outcomes(
        claimed.id,
        rounds=[done],
        held_back=[],
        policy=Policy(max_attempts=5, base_seconds=8, max_seconds=60),
        now=now,
    )
    row.refresh_from_db()
    assert row.next_attempt_at is not None
    assert timedelta(seconds=4) <= row.next_attempt_at - now <= timedelta(seconds=8)
    assert row.wake_at == row.next_attempt_at + RETRY_GRACE
