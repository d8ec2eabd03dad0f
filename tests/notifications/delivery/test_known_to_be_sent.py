"""What a provider has accepted is not sent again, whatever happens before that is recorded."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from apps.common.ids import new_id
from apps.notifications.broker.topology import Channel
from apps.notifications.dead_letters import store
from apps.notifications.delivery.claim import LEASE, RENEW_SECONDS, claim
from apps.notifications.delivery.send import BULK_CHUNK_SECONDS
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import (
    Attempt,
    DeadLetter,
    DeadLetterAction,
    LetterState,
    Notification,
)
from apps.users.models import Device, Suppression, User
from tests import services
from tests.fakes.fcm_server import FcmServer
from tests.fakes.fixtures import point_at_smtp
from tests.fakes.http_server import json_answer
from tests.fakes.smtp_server import Conversation, SmtpServer
from tests.notifications.cast import accepted, person, template
from tests.notifications.delivering import deliver

pytestmark = pytest.mark.django_db(transaction=True)


class Observed(SmtpServer):
    """SMTP server that runs a callback after it has taken a mail and before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.once_taken: Callable[[], object] | None = None

    def _take(self, talk: Conversation, content: bytes) -> None:
        super()._take(talk, content)
        act, self.once_taken = self.once_taken, None
        if act is not None:
            # Not in the event loop's thread, where Django refuses database queries.
            acting = threading.Thread(target=_and_close, args=(act,))
            acting.start()
            acting.join()


def _and_close(act: Callable[[], object]) -> None:
    with closing(connection):
        act()


@pytest.fixture
def smtp(settings: Any) -> Iterator[Observed]:
    settings.EMAIL_PROVIDERS = ["smtp"]
    with Observed() as server:
        point_at_smtp(settings, server)
        yield server


@pytest.fixture
def fcm(fcm_server: FcmServer, settings: Any) -> FcmServer:
    settings.PUSH_PROVIDERS = ["fcm"]
    return fcm_server


def driven(*rows: Notification, channel: Channel = Channel.EMAIL) -> None:
    deliver(channel=channel, ids=[row.pk for row in rows], attempt=rows[0].attempts)
    for row in rows:
        row.refresh_from_db()


def copies(server: SmtpServer) -> Counter[bytes]:
    return server.message_ids


def once_each(server: SmtpServer, rows: list[Notification]) -> bool:
    expected = {f"<{row.pk}@example.com>".encode(): 1 for row in rows}
    return copies(server) == expected


def breaking(beginning: str, *, times: int, by: Callable[[], None]) -> Callable[..., Any]:
    """Run ``by`` before the first ``times`` statements that begin with ``beginning``."""
    left = times

    def execute(run: Callable[..., Any], sql: str, *given: Any) -> Any:
        nonlocal left
        if left and sql.startswith(beginning):
            left -= 1
            by()
        return run(sql, *given)

    return execute


def lose_the_connection() -> None:
    raise OperationalError("the connection is lost")


def lose_it_after_the_commit() -> None:
    """Raise after the commit, so that the caller cannot know that the commit succeeded."""
    transaction.on_commit(lose_the_connection)


def end_this_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(make_conninfo(services.DATABASE_URL)) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


INSERT_ATTEMPTS = 'INSERT INTO "notifications_attempt"'
MOVE_ROWS = 'UPDATE "notifications_notification"'


# --- a failed record is retried


@pytest.mark.parametrize("harm", [lose_the_connection, lose_it_after_the_commit])
def test_a_record_that_fails_is_retried_and_changes_nothing_twice(
    alice: User, bob: User, smtp: Observed, harm: Callable[[], None]
) -> None:
    rows = [accepted(alice), accepted(bob)]
    with connection.execute_wrapper(breaking(INSERT_ATTEMPTS, times=1, by=harm)):
        driven(*rows)

    assert [(row.status, row.attempts, row.claim_id) for row in rows] == [
        (Status.SENT, 1, None)
    ] * 2
    assert Attempt.objects.count() == 2
    assert once_each(smtp, rows)


@pytest.mark.services
def test_a_record_whose_database_session_is_terminated_is_retried_on_a_new_one(
    alice: User, smtp: Observed
) -> None:
    row = accepted(alice)
    with connection.execute_wrapper(breaking(INSERT_ATTEMPTS, times=1, by=end_this_session)):
        driven(row)

    assert (row.status, row.attempts) == (Status.SENT, 1)
    assert once_each(smtp, [row])


def test_a_failure_that_was_committed_before_the_connection_broke_has_one_letter(
    alice: User, smtp: Observed, settings: Any
) -> None:
    settings.EMBEDDED = True
    smtp.answer("rcpt", "550 5.7.1 Not today")
    row = accepted(alice)
    harm = breaking(INSERT_ATTEMPTS, times=1, by=lose_it_after_the_commit)
    with connection.execute_wrapper(harm):
        driven(row)

    assert (row.status, row.reason) == (Status.FAILED, "policy")
    assert Attempt.objects.count() == DeadLetter.objects.count() == 1
    assert row.events.count() == 1


@pytest.mark.parametrize("harm", [lose_the_connection, lose_it_after_the_commit])
def test_a_claim_that_fails_is_retried_and_finds_the_rows_it_took(
    alice: User, smtp: Observed, harm: Callable[[], None]
) -> None:
    row = accepted(alice)
    with connection.execute_wrapper(breaking(MOVE_ROWS, times=1, by=harm)):
        driven(row)

    assert (row.status, row.attempts, row.crashes) == (Status.SENT, 1, 0)
    assert once_each(smtp, [row])


def test_claimed_rows_are_prepared_once_the_database_answers_again(
    alice: User, smtp: Observed
) -> None:
    row = accepted(alice)
    harm = breaking('SELECT "users_user"', times=3, by=lose_the_connection)
    with connection.execute_wrapper(harm):
        driven(row)

    assert (row.status, row.attempts, row.crashes) == (Status.SENT, 1, 0)


def test_an_answer_that_the_database_cannot_store_fails_neither_its_row_nor_others(
    fcm: FcmServer,
) -> None:
    template("parcel", "push")
    people = [person(name, tokens=(f"token-{name}",)) for name in ("alice", "bob", "charlie")]
    rows = [accepted(user, notification_type="push") for user in people]
    strange = json_answer(200, {"name": "messages/\0\ud800"})
    fcm.answer("token-bob", replace(strange, taken=True))

    driven(*rows, channel=Channel.PUSH)

    assert {row.status for row in rows} == {Status.SENT}
    assert Attempt.objects.count() == 3
    assert fcm.stats()["messages"] == 3


@pytest.mark.services
def test_chunks_with_the_same_dead_addresses_in_opposite_order_are_both_recorded(
    smtp: Observed,
) -> None:
    template("welcome")
    gone = [person(f"gone{number}") for number in range(45)]
    good = [person(f"good{number}") for number in range(5)]
    for user in gone:
        smtp.answer("rcpt", "550 5.1.1 No such user", recipient=user.email)
    chunks = [
        [accepted(user) for user in (*gone, *good)],
        [accepted(user) for user in (*reversed(gone), *good)],
    ]

    def work(rows: list[Notification]) -> None:
        with closing(connection):
            deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)

    threads = [threading.Thread(target=work, args=(rows,)) for rows in chunks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    statuses = Counter(Notification.objects.values_list("status", "reason"))
    bounced, skipped = (Status.BOUNCED, "hard_bounce"), (Status.SKIPPED, "suppressed")
    assert statuses[Status.SENT, ""] == 10
    # The chunk that is recorded later may find addresses that the other chunk has suppressed.
    assert statuses[bounced] >= 45
    assert statuses[bounced] + statuses[skipped] == 90
    assert Suppression.objects.count() == 45
    assert once_each(smtp, [row for rows in chunks for row in rows[45:]])


def test_a_dead_address_is_suppressed_after_the_record_and_retried_if_that_fails(
    alice: User, smtp: Observed
) -> None:
    smtp.answer("rcpt", "550 5.1.1 No such user")
    row = accepted(alice)
    seen: list[str] = []

    def look() -> None:
        # Over another connection, which sees only what is committed.
        looking = threading.Thread(
            target=_and_close, args=(lambda: seen.append(Notification.objects.get().status),)
        )
        looking.start()
        looking.join()
        lose_the_connection()

    with connection.execute_wrapper(_suppressions_fail_twice(look)):
        driven(row)

    assert row.status == Status.BOUNCED
    assert seen == [Status.BOUNCED] * 2
    assert Suppression.objects.count() == 1


def _suppressions_fail_twice(act: Callable[[], None]) -> Callable[..., Any]:
    left = 2

    def execute(run: Callable[..., Any], sql: str, *given: Any) -> Any:
        nonlocal left
        if left and sql.startswith("INSERT") and "users_suppression" in sql:
            left -= 1
            act()
        return run(sql, *given)

    return execute


# --- an acceptance that is recorded late counts


def taken_back(row: Notification, status: Status, **columns: Any) -> Callable[[], object]:
    """Return a callback that changes a row as others did while its worker was suspended."""
    changes = {"status": status, "claim_id": None, "claimed_until": None, "crashes": 1, **columns}
    return lambda: Notification.objects.filter(pk=row.pk).update(**changes)


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
    alice: User, smtp: Observed, status: Status, columns: dict[str, Any]
) -> None:
    row = accepted(alice)
    soon = timezone.now() + LATER
    smtp.once_taken = taken_back(row, status, wake_at=soon, next_attempt_at=soon, **columns)
    driven(row)

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
    alice: User, smtp: Observed, status: Status, reason: str
) -> None:
    row = accepted(alice)
    smtp.once_taken = taken_back(row, status, reason=reason)
    driven(row)

    assert (row.status, row.reason) == (status, reason)
    assert [attempt.outcome for attempt in row.attempt_rows.all()] == ["accepted"]


def test_a_failure_receipt_has_priority_over_a_record_that_is_written_later(
    alice: User, smtp: Observed
) -> None:
    row = accepted(alice)
    refused = {"status": Status.FAILED, "reason": "rejected"}
    smtp.once_taken = lambda: Notification.objects.filter(pk=row.pk).update(**refused)
    driven(row)

    assert (row.status, row.reason, row.attempts) == (Status.FAILED, "rejected", 1)
    assert row.claim_id is None


def test_the_dead_letter_of_a_mail_that_was_sent_after_all_is_resolved(
    alice: User, smtp: Observed
) -> None:
    row = accepted(alice)

    def give_up() -> None:
        taken_back(row, Status.FAILED, reason="crashed")()
        store.record_failed([row.pk])

    smtp.once_taken = give_up
    driven(row)

    letter = DeadLetter.objects.get()
    assert (row.status, letter.state) == (Status.SENT, LetterState.RESOLVED)
    assert letter.settled_at is not None
    (line,) = DeadLetterAction.objects.all()
    assert (line.action, line.by, line.letter_id) == ("resolved", "system", letter.pk)


def test_a_row_that_another_worker_holds_is_settled_when_it_is_requeued(
    alice: User, smtp: Observed
) -> None:
    row = accepted(alice)
    other = new_id()
    smtp.once_taken = taken_back(row, Status.SENDING, claim_id=other)
    driven(row)
    assert (row.status, row.claim_id, row.attempts) == (Status.SENDING, other, 0)

    # The other worker dies as well and the row is requeued: by now the acceptance is recorded.
    taken_back(row, Status.PENDING)()
    driven(row)
    assert row.status == Status.SENT
    assert once_each(smtp, [row])


@pytest.mark.parametrize("reply", ["550 5.7.1 Not today", "451 4.3.0 Later"])
def test_a_refusal_does_not_change_a_row_that_another_worker_holds(
    alice: User, smtp: Observed, reply: str
) -> None:
    row = accepted(alice)
    other = new_id()
    smtp.takes_refused = True
    smtp.answer("end", reply)
    smtp.once_taken = taken_back(row, Status.SENDING, claim_id=other)
    driven(row)

    assert (row.status, row.claim_id, row.attempts) == (Status.SENDING, other, 0)
    assert row.attempt_rows.count() == 1
    assert DeadLetter.objects.count() == 0


def test_an_unsent_row_that_another_worker_holds_by_now_is_not_released(
    welcome: None, smtp: Observed, ahead: Callable[[float], None]
) -> None:
    rows = [accepted(person(f"p{number}"), priority=0) for number in range(40)]
    other = new_id()

    def run_out_of_time() -> None:
        Notification.objects.filter(pk=rows[-1].pk).update(claim_id=other)
        ahead(BULK_CHUNK_SECONDS)

    smtp.once_taken = run_out_of_time
    driven(*rows)

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
    alice: User, smtp: Observed
) -> None:
    row = accepted(alice)
    Notification.objects.filter(pk=row.pk).update(crashes=1)
    known(row, "accepted")
    # A later opt-out does not change that.
    User.objects.update(email_enabled=False)
    driven(row)

    assert (row.status, row.wake_at) == (Status.SENT, None)
    assert smtp.mails == []


def test_an_unknown_recorded_outcome_stops_neither_its_row_nor_others(
    alice: User, bob: User, smtp: Observed
) -> None:
    rows = [accepted(alice), accepted(bob)]
    Notification.objects.update(crashes=1)
    known(rows[0], "permanent")
    driven(*rows)

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
    driven(row, channel=Channel.PUSH)

    assert row.status == Status.SENT
    assert [message["token"] for message in fcm.messages] == ["second"]


# --- leases


def test_a_lease_is_renewed_while_the_provider_is_slow(
    alice: User, smtp: Observed, ahead: Callable[[float], None]
) -> None:
    row = accepted(alice)
    seen: list[bool] = []

    def wait_for_the_renewal() -> None:
        before = Notification.objects.get().claimed_until
        ahead(RENEW_SECONDS + 1)
        for _ in range(200):
            now = Notification.objects.get()
            if now.claimed_until != before:
                seen.append(now.wake_at == now.claimed_until)
                return
            time.sleep(0.05)

    smtp.once_taken = wait_for_the_renewal
    driven(row)

    assert seen == [True]
    assert row.status == Status.SENT
    assert once_each(smtp, [row])


def test_a_worker_that_was_suspended_before_the_call_does_not_send(
    alice: User, bob: User, smtp: Observed, ahead: Callable[[float], None]
) -> None:
    lost, kept = accepted(alice), accepted(bob)
    other = new_id()

    def stand_still() -> None:
        ahead(LEASE.total_seconds())
        Notification.objects.filter(pk=lost.pk).update(claim_id=other)

    harm = breaking('SELECT "users_user"', times=1, by=stand_still)
    with connection.execute_wrapper(harm):
        driven(lost, kept)

    assert (lost.status, lost.claim_id) == (Status.SENDING, other)
    assert (kept.status, kept.claim_id) == (Status.PENDING, None)
    assert smtp.mails == []


def test_a_renewal_does_not_take_a_row_from_its_new_holder(alice: User) -> None:
    row = accepted(alice)
    held = claim([row.pk], attempt=0)
    other, soon = new_id(), timezone.now() + timedelta(seconds=5)
    Notification.objects.update(claim_id=other, claimed_until=soon, wake_at=soon)
    held.renewed_at -= RENEW_SECONDS

    held.renew_when_due({row.pk})

    row.refresh_from_db()
    assert (row.claim_id, row.claimed_until, row.wake_at) == (other, soon, soon)


def test_a_renewal_that_fails_is_retried_the_next_time(alice: User) -> None:
    row = accepted(alice)
    held = claim([row.pk], attempt=0)
    row.refresh_from_db()
    before = row.claimed_until
    held.renewed_at -= RENEW_SECONDS
    harm = breaking(MOVE_ROWS, times=1, by=lose_the_connection)
    with connection.execute_wrapper(harm):
        held.renew_when_due({row.pk})
        row.refresh_from_db()
        assert row.claimed_until == before

        held.renew_when_due({row.pk})
    row.refresh_from_db()
    assert before is not None
    assert row.claimed_until is not None
    assert row.claimed_until > before


@pytest.mark.services
def test_a_worker_whose_clock_is_an_hour_off_holds_rows_for_a_minute(
    alice: User, smtp: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    smtp.answer("rcpt", "450 4.2.0 Mailbox busy")
    row = accepted(alice)
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=1))
    held = claim([row.pk], attempt=0)
    row.refresh_from_db()
    assert row.claimed_until is not None
    assert right() < row.claimed_until <= right() + LEASE
    assert held.clock.now() < right() + timedelta(minutes=1)

    taken_back(row, Status.PENDING)()
    driven(row)
    assert row.status == Status.RETRYING
    assert row.next_attempt_at is not None
    assert row.next_attempt_at < right() + timedelta(minutes=1)

    # Nor does it requeue at once, in a loop, a message that is due later by the database's clock.
    Notification.objects.update(next_attempt_at=right() + timedelta(seconds=40))
    (again,) = deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=1)
    assert again.delay_seconds == 30
