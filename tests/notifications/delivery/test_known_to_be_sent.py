"""What a provider has accepted is not sent again, whatever happens before that is recorded."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.dead_letters import store
from apps.notifications.delivery.send import BULK_CHUNK_SECONDS
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import (
    Attempt,
    DeadLetter,
    DeadLetterAction,
    LetterState,
    Notification,
)
from apps.users.models import Device, User
from tests.fakes.fcm_server import FcmServer
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.delivery.fault_injection import CallbackSmtpServer, once_each, taken_back
from tests.notifications.factories import accepted, person

pytestmark = pytest.mark.django_db(transaction=True)


LATER = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("status", "columns"),
    [
        (Status.PENDING, {}),
        (Status.RETRYING, {"attempts": 1}),
        (Status.SCHEDULED, {}),
        (Status.EXPIRED, {"reason": "expired"}),
        (Status.FAILED, {"reason": "crashed"}),
        (Status.FAILED, {"reason": "attempts_exhausted"}),
        (Status.FAILED, {"reason": "unknown_outcome"}),
    ],
)
def test_a_row_without_a_holder_becomes_sent_by_a_late_acceptance(
    alice: User, smtp: CallbackSmtpServer, status: Status, columns: dict[str, Any]
) -> None:
    row = accepted(alice)
    soon = timezone.now() + LATER
    smtp.on_next_mail = taken_back(row, status, wake_at=soon, next_attempt_at=soon, **columns)
    deliver_and_refresh(row)

    assert (row.status, row.reason) == (Status.SENT, "")
    assert (row.wake_at, row.next_attempt_at, row.claim_id) == (None, None, None)
    assert row.attempts == columns.get("attempts", 0) + 1
    assert [attempt.outcome for attempt in row.attempt_rows.all()] == ["accepted"]
    assert [event.status for event in row.events.all()] == [Status.SENT]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.CANCELLED, "cancelled"),
        (Status.SKIPPED, "opted_out"),
        (Status.BOUNCED, "hard_bounce"),
        (Status.DELIVERED, ""),
        # A receipt that the message failed after all has priority.
        (Status.FAILED, "rejected"),
    ],
)
def test_a_row_that_ended_otherwise_keeps_its_status_and_shows_the_attempt(
    alice: User, smtp: CallbackSmtpServer, status: Status, reason: str
) -> None:
    row = accepted(alice)
    smtp.on_next_mail = taken_back(row, status, reason=reason)
    deliver_and_refresh(row)

    assert (row.status, row.reason) == (status, reason)
    assert [attempt.outcome for attempt in row.attempt_rows.all()] == ["accepted"]


def test_a_failure_receipt_has_priority_over_a_record_that_is_written_later(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    row = accepted(alice)
    refused = {"status": Status.FAILED, "reason": "rejected"}
    smtp.on_next_mail = lambda: Notification.objects.filter(pk=row.pk).update(**refused)
    deliver_and_refresh(row)

    assert (row.status, row.reason, row.attempts) == (Status.FAILED, "rejected", 1)
    assert row.claim_id is None


def test_the_dead_letter_of_a_mail_that_was_sent_after_all_is_resolved(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    row = accepted(alice)

    def give_up() -> None:
        taken_back(row, Status.FAILED, reason="crashed")()
        store.record_failed([row.pk])

    smtp.on_next_mail = give_up
    deliver_and_refresh(row)

    letter = DeadLetter.objects.get()
    assert (row.status, letter.state) == (Status.SENT, LetterState.RESOLVED)
    assert letter.settled_at is not None
    (line,) = DeadLetterAction.objects.all()
    assert (line.action, line.by, line.letter_id) == ("resolved", "system", letter.pk)


def test_a_row_that_another_worker_holds_is_settled_when_it_is_requeued(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    row = accepted(alice)
    other = new_id()
    smtp.on_next_mail = taken_back(row, Status.SENDING, claim_id=other)
    deliver_and_refresh(row)
    assert (row.status, row.claim_id, row.attempts) == (Status.SENDING, other, 0)

    # The other worker dies as well and the row is requeued: by now the acceptance is recorded.
    taken_back(row, Status.PENDING)()
    deliver_and_refresh(row)
    assert row.status == Status.SENT
    assert once_each(smtp, [row])


@pytest.mark.parametrize("reply", ["550 5.7.1 Not today", "451 4.3.0 Later"])
def test_a_refusal_does_not_change_a_row_that_another_worker_holds(
    alice: User, smtp: CallbackSmtpServer, reply: str
) -> None:
    row = accepted(alice)
    other = new_id()
    smtp.takes_refused = True
    smtp.answer("end", reply)
    smtp.on_next_mail = taken_back(row, Status.SENDING, claim_id=other)
    deliver_and_refresh(row)

    assert (row.status, row.claim_id, row.attempts) == (Status.SENDING, other, 0)
    assert row.attempt_rows.count() == 1
    assert DeadLetter.objects.count() == 0


def test_an_unsent_row_that_another_worker_holds_by_now_is_not_released(
    welcome: None, smtp: CallbackSmtpServer, ahead: Callable[[float], None]
) -> None:
    rows = [accepted(person(f"p{number}"), priority=0) for number in range(40)]
    other = new_id()

    def run_out_of_time() -> None:
        Notification.objects.filter(pk=rows[-1].pk).update(claim_id=other)
        ahead(BULK_CHUNK_SECONDS)

    smtp.on_next_mail = run_out_of_time
    deliver_and_refresh(*rows)

    assert [row.status for row in rows].count(Status.PENDING) > 0
    assert (rows[-1].status, rows[-1].claim_id) == (Status.SENDING, other)


# --- a message with a recorded acceptance is not composed again


def known(row: Notification, outcome: str, **columns: Any) -> None:
    Attempt.objects.create(
        notification=row,
        number=1,
        provider="smtp",
        outcome=outcome,
        correlation_id="",
        started_at=timezone.now(),
        duration_ms=1,
        **columns,
    )


def test_a_mail_with_an_accepted_attempt_becomes_sent_without_another_call(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    row = accepted(alice)
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    known(row, "accepted")
    # A later opt-out does not change that.
    User.objects.update(email_enabled=False)
    deliver_and_refresh(row)

    assert (row.status, row.wake_at) == (Status.SENT, None)
    assert smtp.mails == []


def test_an_unknown_recorded_outcome_stops_neither_its_row_nor_others(
    alice: User, bob: User, smtp: CallbackSmtpServer
) -> None:
    rows = [accepted(alice), accepted(bob)]
    Notification.objects.update(crashes=1)
    known(rows[0], "permanent")
    deliver_and_refresh(*rows)

    assert {row.status for row in rows} == {Status.SENT}
    assert once_each(smtp, rows)


def test_a_push_whose_worker_died_is_sent_only_to_devices_without_an_acceptance(
    alice: User, fcm: FcmServer
) -> None:
    first = Device.objects.get(user=alice)
    Device.objects.create(user=alice, token="second", platform="ios")
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    known(row, "accepted", device_id=first.pk)
    deliver_and_refresh(row)

    assert row.status == Status.SENT
    assert [message["token"] for message in fcm.messages] == ["second"]
