"""A claim takes each row once, for one attempt, with a lease of one minute."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.delivery.claim import LEASE, claim
from apps.notifications.lifecycle.states import CLAIMABLE, Status
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.factories import accepted, person, row_with_status, template

pytestmark = pytest.mark.django_db


def test_a_claim_takes_a_pending_row_and_leases_it_for_a_minute(alice: User) -> None:
    row = accepted(alice)
    before = timezone.now()
    claimed = claim([row.pk], attempt=0)
    assert [held.pk for held in claimed.rows] == [row.pk]
    assert claimed.early == []
    row.refresh_from_db()
    assert (row.status, row.claim_id, row.attempts) == (Status.SENDING, claimed.id, 0)
    assert row.claimed_until == row.wake_at
    assert row.wake_at is not None
    assert before + LEASE <= row.wake_at <= timezone.now() + LEASE


def test_a_message_of_another_attempt_claims_nothing(alice: User) -> None:
    row = row_with_status(alice, Status.RETRYING, attempts=2)
    for attempt in (0, 1, 3):
        claimed = claim([row.pk], attempt=attempt)
        assert (claimed.rows, claimed.early) == ([], [])
    assert [held.pk for held in claim([row.pk], attempt=2).rows] == [row.pk]


@pytest.mark.parametrize("status", sorted(set(Status) - CLAIMABLE))
def test_a_row_that_is_not_waiting_is_not_claimed(alice: User, status: Status) -> None:
    row = row_with_status(alice, status)
    claimed = claim([row.pk], attempt=0)
    assert (claimed.rows, claimed.early) == ([], [])
    row.refresh_from_db()
    assert row.status == status


def test_a_second_message_for_a_claimed_row_claims_nothing(alice: User) -> None:
    row = accepted(alice)
    first = claim([row.pk], attempt=0)
    assert claim([row.pk], attempt=0).rows == []
    row.refresh_from_db()
    assert row.claim_id == first.id


def test_a_row_with_an_expired_lease_is_left_to_the_sweep(alice: User) -> None:
    """Only the sweep counts the crash and publishes the row in a message of its own."""
    over = timezone.now() - timedelta(minutes=5)
    row = row_with_status(
        alice, Status.SENDING, claim_id=new_id(), claimed_until=over, wake_at=over
    )
    assert claim([row.pk], attempt=0).rows == []
    row.refresh_from_db()
    assert row.claimed_until == over


def test_a_row_that_is_not_yet_due_is_reported_as_early(alice: User, bob: User) -> None:
    due = timezone.now() + timedelta(seconds=90)
    early = row_with_status(alice, Status.RETRYING, next_attempt_at=due)
    ready = accepted(bob)
    claimed = claim([early.pk, ready.pk], attempt=0)
    assert [row.pk for row in claimed.rows] == [ready.pk]
    assert [(row.pk, row.next_attempt_at) for row in claimed.early] == [(early.pk, due)]


def test_a_message_that_is_milliseconds_early_is_on_time(alice: User) -> None:
    due = timezone.now() + timedelta(milliseconds=30)
    row = row_with_status(alice, Status.RETRYING, next_attempt_at=due)
    assert [held.pk for held in claim([row.pk], attempt=0).rows] == [row.pk]


def test_claimed_rows_are_in_the_order_of_their_ids(alice: User) -> None:
    rows = [accepted(alice) for _ in range(5)]
    claimed = claim([row.pk for row in reversed(rows)], attempt=0)
    assert [row.pk for row in claimed.rows] == [row.pk for row in rows]


def test_unknown_ids_are_no_error(alice: User) -> None:
    row = accepted(alice)
    claimed = claim([new_id(), row.pk, new_id()], attempt=0)
    assert [held.pk for held in claimed.rows] == [row.pk]


@pytest.mark.django_db(transaction=True)
def test_overlapping_chunks_from_many_threads_claim_each_row_once() -> None:
    template("welcome")
    user = person("alice")
    ids = [accepted(user).pk for _ in range(200)]
    taken: list[UUID] = []
    lock = threading.Lock()
    start = threading.Barrier(8)

    def work(offset: int) -> None:
        try:
            start.wait()
            for begin in range(0, 200, 20):
                at = (begin + offset * 25) % 200
                chunk = (ids + ids)[at : at + 60]
                held = claim(chunk, attempt=0).rows
                with lock:
                    taken.extend(row.pk for row in held)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(taken) == sorted(ids)
    assert Notification.objects.filter(status=Status.SENDING).count() == 200
