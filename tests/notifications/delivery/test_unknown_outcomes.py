"""A mail that was sent but never confirmed is repeated rarely, and replayed only on request."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.channels import Channel
from apps.common.rest.problems import Problem
from apps.notifications.dead_letters import replay_many, replay_one
from apps.notifications.dead_letters.filters import Filter
from apps.notifications.delivery.settle import RETRY_GRACE
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers.circuit import Forced
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, LetterState, Notification
from apps.users.models import User
from tests.fakes.smtp_server import DROP, SmtpServer
from tests.notifications.dead_letters.letters import dead_letter, overdue_replays, replays_of
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, row_with_status
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def smtp(smtp_server: SmtpServer, settings: Any) -> SmtpServer:
    settings.EMAIL_PROVIDERS = ["smtp"]
    # In the embedded mode a dead letter is recorded at once.
    settings.EMBEDDED = True
    smtp_server.answer("end", DROP)
    return smtp_server


def deliver_now(row: Notification) -> None:
    """Deliver it as if it were due now."""
    Notification.objects.filter(pk=row.pk).update(next_attempt_at=None)
    row.refresh_from_db()
    deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=row.attempts)
    row.refresh_from_db()


def test_a_mail_with_an_unknown_outcome_is_repeated_twice_and_then_fails(
    alice: User, smtp: SmtpServer
) -> None:
    row = accepted(alice)
    for minutes in (5, 30):
        before = timezone.now()
        deliver_now(row)
        assert row.status == Status.RETRYING
        assert row.next_attempt_at is not None
        assert row.next_attempt_at >= before + timedelta(minutes=minutes)
        # Rows with ``wake_at`` equal to ``next_attempt_at`` are released early when a limit ends.
        assert row.wake_at == row.next_attempt_at + RETRY_GRACE
    deliver_now(row)

    assert (row.status, row.reason, row.attempts) == (Status.FAILED, "unknown_outcome", 3)
    assert "may have arrived" in row.events.order_by("pk")[2].detail
    assert DeadLetter.objects.get().may_have_arrived
    assert sum(smtp.message_ids.values()) == 3
    assert len(smtp.message_ids) == 1


@pytest.mark.parametrize("repetitions", [0, 1, 4])
def test_the_number_of_repetitions_is_configurable(
    alice: User, smtp: SmtpServer, settings: Any, repetitions: int
) -> None:
    settings.UNKNOWN_OUTCOME_WAITS = (300.0,) * repetitions
    row = accepted(alice)
    for _ in range(repetitions):
        deliver_now(row)
        assert row.status == Status.RETRYING
    deliver_now(row)
    assert (row.status, row.reason) == (Status.FAILED, "unknown_outcome")
    assert sum(smtp.message_ids.values()) == repetitions + 1


def test_waiting_for_an_open_breaker_spends_no_repetition(alice: User, smtp: SmtpServer) -> None:
    row = accepted(alice)
    deliver_now(row)
    breakers.force(["smtp"], Forced.OPEN)
    for _ in range(5):
        deliver_now(row)
        assert (row.status, row.attempts) == (Status.RETRYING, 1)
    breakers.force(["smtp"], Forced.CLOSED)
    deliver_now(row)
    assert (row.status, row.attempts) == (Status.RETRYING, 2)
    assert sum(smtp.message_ids.values()) == 2


def test_a_mail_that_is_confirmed_by_a_later_answer_is_sent(alice: User, smtp: SmtpServer) -> None:
    row = accepted(alice)
    deliver_now(row)
    smtp.rules = []
    deliver_now(row)
    assert row.status == Status.SENT


# --- a replay needs a confirmation


def test_a_dead_letter_that_may_have_arrived_is_replayed_only_when_confirmed(
    shop: APIClient, alice: User
) -> None:
    letter = dead_letter(alice, reason="unknown_outcome")
    path = f"/api/v1/dead-letters/{letter.pk}/replay"

    problem = assert_problem(shop.post(path), 409)
    assert problem["code"] == "may_have_arrived"
    assert replays_of(letter) == []
    letter.refresh_from_db()
    assert letter.state == LetterState.OPEN

    answer = shop.post(path, {"may_have_arrived": True}, format="json")
    assert answer.status_code == 202
    assert answer.json()["may_have_arrived"] is True
    assert len(replays_of(letter)) == 1


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (Status.FAILED, "unknown_outcome", "unknown"),
        (Status.FAILED, "rejected", "unknown"),
        (Status.CANCELLED, "cancelled", "unknown"),
        (Status.EXPIRED, "expired", "unknown"),
        # It was cancelled before its acceptance was recorded.
        (Status.CANCELLED, "cancelled", "accepted"),
        (Status.SKIPPED, "opted_out", "accepted"),
    ],
)
def test_a_notification_that_may_have_arrived_is_replayed_only_when_confirmed(
    shop: APIClient, alice: User, status: Status, reason: str, outcome: str
) -> None:
    row = row_with_status(alice, status, reason=reason, attempts=1)
    attempt(row, outcome)
    path = f"/api/v1/notifications/{row.pk}/replay"

    assert assert_problem(shop.post(path), 409)["code"] == "may_have_arrived"
    assert Notification.objects.count() == 1
    bad = shop.post(path, {"may_have_arrived": "yes"}, format="json")
    assert assert_problem(bad, 400)["errors"][0]["pointer"] == "/may_have_arrived"
    answer = shop.post(path, {"may_have_arrived": True}, format="json")
    assert (answer.status_code, answer.json()["replay_of"]) == (202, str(row.pk))


@pytest.mark.parametrize("outcome", ["transient", "rejected", "accepted"])
def test_a_notification_that_has_not_arrived_is_replayed_without_confirmation(
    shop: APIClient, alice: User, outcome: str
) -> None:
    # An acceptance that the provider withdrew later does not count as an arrival either.
    row = row_with_status(alice, Status.FAILED, reason="rejected", attempts=1)
    attempt(row, outcome)
    assert shop.post(f"/api/v1/notifications/{row.pk}/replay").status_code == 202


def attempt(row: Notification, outcome: str) -> None:
    row.attempt_rows.create(
        number=1,
        provider="smtp",
        outcome=outcome,
        correlation_id="",
        started_at=timezone.now(),
        duration_ms=1,
    )


def test_a_replay_by_filter_skips_unknown_outcomes_unless_the_filter_names_them(
    alice: User,
) -> None:
    doubtful, usual = dead_letter(alice, reason="unknown_outcome"), dead_letter(alice)
    assert replay_many.count(Filter(), kind="") == 1
    replay_many.start(Filter(channel="email"), kind="", by="operator", rate_per_second=1000)
    overdue_replays()
    while replay_many.replay_slice():
        overdue_replays()
    assert (len(replays_of(usual)), replays_of(doubtful)) == (1, [])

    named = Filter(reason="unknown_outcome")
    assert replay_many.count(named, kind="") == 1
    replay_many.start(named, kind="", by="operator", rate_per_second=1000)
    overdue_replays()
    while replay_many.replay_slice():
        overdue_replays()
    assert len(replays_of(doubtful)) == 1


def test_staff_and_operators_must_confirm_as_well(alice: User) -> None:
    letter = dead_letter(alice, reason="unknown_outcome")
    with pytest.raises(Problem):
        replay_one.replay(letter.pk, by="operator")
    assert replay_one.replay(letter.pk, by="operator", may_have_arrived=True).replayed_as
