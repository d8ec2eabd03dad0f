"""A failed claim or record is retried, and nothing is recorded or sent twice."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, DeadLetter, Notification
from apps.users.models import Suppression, User
from tests import services
from tests.fakes.fcm_server import FcmServer
from tests.fakes.http_server import json_answer
from tests.notifications.delivering import deliver, deliver_and_refresh
from tests.notifications.delivery.fault_injection import (
    MOVE_ROWS,
    CallbackSmtpServer,
    close_connection_after,
    lose_the_connection,
    once_each,
    run_before_statements,
)
from tests.notifications.factories import accepted, person, template

pytestmark = pytest.mark.django_db(transaction=True)


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


@pytest.mark.parametrize("harm", [lose_the_connection, lose_it_after_the_commit])
def test_a_record_that_fails_is_retried_and_changes_nothing_twice(
    alice: User, bob: User, smtp: CallbackSmtpServer, harm: Callable[[], None]
) -> None:
    rows = [accepted(alice), accepted(bob)]
    with run_before_statements(INSERT_ATTEMPTS, times=1, action=harm):
        deliver_and_refresh(*rows)

    assert [(row.status, row.attempts, row.claim_id) for row in rows] == [
        (Status.SENT, 1, None)
    ] * 2
    assert Attempt.objects.count() == 2
    assert once_each(smtp, rows)


@pytest.mark.services
def test_a_record_whose_database_session_is_terminated_is_retried_on_a_new_one(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    row = accepted(alice)
    with run_before_statements(INSERT_ATTEMPTS, times=1, action=end_this_session):
        deliver_and_refresh(row)

    assert (row.status, row.attempts) == (Status.SENT, 1)
    assert once_each(smtp, [row])


def test_a_failure_that_was_committed_before_the_connection_broke_has_one_letter(
    alice: User, smtp: CallbackSmtpServer, settings: Any
) -> None:
    settings.EMBEDDED = True
    smtp.answer("rcpt", "550 5.7.1 Not today")
    row = accepted(alice)
    harm = run_before_statements(INSERT_ATTEMPTS, times=1, action=lose_it_after_the_commit)
    with harm:
        deliver_and_refresh(row)

    assert (row.status, row.reason) == (Status.FAILED, "policy")
    assert Attempt.objects.count() == DeadLetter.objects.count() == 1
    assert row.events.count() == 1


@pytest.mark.parametrize("harm", [lose_the_connection, lose_it_after_the_commit])
def test_a_claim_that_fails_is_retried_and_finds_the_rows_it_took(
    alice: User, smtp: CallbackSmtpServer, harm: Callable[[], None]
) -> None:
    row = accepted(alice)
    with run_before_statements(MOVE_ROWS, times=1, action=harm):
        deliver_and_refresh(row)

    assert (row.status, row.attempts, row.crashes) == (Status.SENT, 1, 0)
    assert once_each(smtp, [row])


def test_claimed_rows_are_prepared_once_the_database_answers_again(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    row = accepted(alice)
    harm = run_before_statements('SELECT "users_user"', times=3, action=lose_the_connection)
    with harm:
        deliver_and_refresh(row)

    assert (row.status, row.attempts, row.crashes) == (Status.SENT, 1, 0)


def test_an_answer_that_the_database_cannot_store_fails_neither_its_row_nor_others(
    fcm: FcmServer,
) -> None:
    template("parcel", "push")
    people = [person(name, tokens=(f"token-{name}",)) for name in ("alice", "bob", "charlie")]
    rows = [accepted(user, notification_type="push") for user in people]
    strange = json_answer(200, {"name": "messages/\0\ud800"})
    fcm.answer("token-bob", replace(strange, taken=True))

    deliver_and_refresh(*rows)

    assert {row.status for row in rows} == {Status.SENT}
    assert Attempt.objects.count() == 3
    assert fcm.stats()["messages"] == 3


@pytest.mark.services
def test_chunks_with_the_same_dead_addresses_in_opposite_order_are_both_recorded(
    smtp: CallbackSmtpServer,
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
    alice: User, smtp: CallbackSmtpServer
) -> None:
    smtp.answer("rcpt", "550 5.1.1 No such user")
    row = accepted(alice)
    seen: list[str] = []

    def look() -> None:
        # Over another connection, which sees only what is committed.
        looking = threading.Thread(
            target=close_connection_after,
            args=(lambda: seen.append(Notification.objects.get().status),),
        )
        looking.start()
        looking.join()
        lose_the_connection()

    with connection.execute_wrapper(_suppressions_fail_twice(look)):
        deliver_and_refresh(row)

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
