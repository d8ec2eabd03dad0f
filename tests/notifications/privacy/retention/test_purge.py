"""Purge: old notifications are deleted with all dependent rows, unfinished ones are kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.common.callers import Caller, Kind, Scope
from apps.common.ids import derived_id, first_id_at
from apps.notifications.lifecycle.states import FINISHED, UNFINISHED, Status
from apps.notifications.models import (
    Attempt,
    Batch,
    DailyCount,
    DeadLetter,
    Event,
    Notification,
    Receipt,
    RetentionRule,
    SandboxMessage,
)
from apps.notifications.privacy.retention import purge_others, rules
from apps.notifications.privacy.retention.counts import day_of
from apps.notifications.privacy.retention.purge import (
    BEGINNING,
    ROUND_SECONDS,
    Position,
    Purge,
    step,
)
from apps.users.models import User
from tests.notifications.dead_letters.letters import dead_letter, poison
from tests.notifications.factories import SHOP, accepted
from tests.notifications.privacy.retention.clock import Clock

pytestmark = pytest.mark.django_db
SHOPS = Position("shop", "live", UUID(int=0))
FORUM = Caller(client="forum", scopes=frozenset(Scope))


@pytest.fixture(autouse=True)
def ninety_days(settings: Any) -> None:
    settings.RETENTION_DAYS = 90


def aged(row: Notification, *, days: float, changed_days: float | None = None) -> UUID:
    """Make a row as if it had been requested, and last changed, so many days ago."""
    asked = timezone.now() - timedelta(days=days)
    changed = timezone.now() - timedelta(days=days if changed_days is None else changed_days)
    old = row.pk
    row.pk, row.created_at, row.updated_at = (
        derived_id(first_id_at(asked), str(old), place=0),
        asked,
        changed,
    )
    row.save(force_insert=True)
    Notification.objects.filter(pk=old).delete()
    return row.pk


def old(user: User, *, days: float = 91, status: Status = Status.SENT, **columns: Any) -> UUID:
    row = accepted(user, caller=columns.pop("caller", SHOP))
    row.status = status
    for name, value in columns.items():
        setattr(row, name, value)
    return aged(row, days=days)


def steps(*, rows: int = 500) -> Iterator[tuple[Position, int]]:
    """Do the steps of a pass, and yield where each began and the number of rows that it deleted."""
    known = rules.load(timezone.now())
    after: Position | None = BEGINNING
    while after is not None:
        began = after
        after, gone = step(began, known, rows=rows)
        yield began, gone


def purge(*, rows: int = 500) -> int:
    gone = sum(gone for _, gone in steps(rows=rows))
    purge_others.purge_all(rules.load(timezone.now()))
    return gone


def remaining() -> set[UUID]:
    return set(Notification.objects.values_list("pk", flat=True))


def test_notifications_older_than_the_retention_time_are_deleted(alice: User) -> None:
    old(alice, days=91)
    young = {old(alice, days=89), old(alice, days=1)}
    assert purge() == 1
    assert remaining() == young


@pytest.mark.parametrize("status", sorted(UNFINISHED))
def test_unfinished_notifications_are_kept_whatever_their_age(alice: User, status: Status) -> None:
    kept = old(alice, days=400, status=status)
    assert purge() == 0
    assert remaining() == {kept}


@pytest.mark.parametrize("status", sorted(FINISHED))
def test_every_final_status_is_purged(alice: User, status: Status) -> None:
    old(alice, status=status)
    assert purge() == 1


def test_age_is_counted_from_the_last_change(alice: User) -> None:
    row = accepted(alice)
    row.status = Status.SENT
    kept = aged(row, days=300, changed_days=10)
    assert purge() == 0
    assert remaining() == {kept}


def test_a_client_may_have_a_longer_or_shorter_retention_time(alice: User) -> None:
    RetentionRule.objects.create(client="forum", days=30)
    RetentionRule.objects.create(client="museum", days=3650)
    old(alice, days=31, caller=FORUM)
    kept = {
        old(alice, days=29, caller=FORUM),
        old(alice, days=31),
        old(alice, days=400, caller=Caller(client="museum")),
    }
    assert purge() == 1
    assert remaining() == kept


def test_dependent_rows_are_deleted_with_their_notification(alice: User) -> None:
    letter = dead_letter(alice)
    assert letter.notification is not None
    SandboxMessage.objects.create(
        notification_id=letter.notification.pk,
        channel="email",
        recipient="alice@example.com",
        outcome="accepted",
        created_at=timezone.now() - timedelta(days=91),
    )
    now = timezone.now()
    Receipt.objects.create(
        notification=letter.notification, provider="smtp", event="bounced", occurred_at=now
    )
    assert Event.objects.create(notification=letter.notification, status="failed") is not None
    long_ago = now - timedelta(days=91)
    # The id contains the time of the request, so the clock of the purge is set forward instead.
    known = rules.load(now + timedelta(days=91))
    Notification.objects.update(updated_at=long_ago)
    assert step(SHOPS, known) == (None, 1)
    purge_others.purge_all(known)
    for model in (Notification, Attempt, Event, Receipt, DeadLetter, SandboxMessage):
        assert model.objects.count() == 0, model


def test_the_daily_counts_are_kept(alice: User) -> None:
    for _ in range(3):
        old(alice, days=100)
    old(alice, days=100, status=Status.FAILED, reason="attempts_exhausted")
    old(alice, days=101, caller=FORUM)
    assert purge() == 5
    day = timezone.now().astimezone(UTC).date() - timedelta(days=100)
    got = set(DailyCount.objects.values_list("day", "client", "status", "reason", "count"))
    assert got == {
        (day, "shop", "sent", "", 3),
        (day, "shop", "failed", "attempts_exhausted", 1),
        (day - timedelta(days=1), "forum", "sent", "", 1),
    }
    old(alice, days=100)
    assert purge() == 1
    assert DailyCount.objects.get(client="shop", status="sent").count == 4


def test_a_long_purge_is_done_in_steps(alice: User) -> None:
    for _ in range(5):
        old(alice)
    kept = old(alice, days=400, status=Status.SCHEDULED)
    assert purge(rows=2) == 5
    assert remaining() == {kept}


def test_each_run_of_the_job_purges_everything_that_is_old(alice: User) -> None:
    clock = Clock()
    job = Purge(clock=clock)
    old(alice)
    assert job() is False
    assert remaining() == set()
    later = old(alice)
    clock.now += 3599
    assert job() is False
    assert remaining() == {later}
    clock.now += 1
    assert job() is False
    assert remaining() == set()


def test_a_round_ends_after_its_time_and_the_next_one_continues(alice: User) -> None:
    old(alice, caller=FORUM)
    later = old(alice)
    clock = Clock(step=ROUND_SECONDS / 2)
    job = Purge(clock=clock)
    job()
    assert remaining() == {later}
    job()
    assert remaining() == set()


def test_rows_that_their_client_keeps_for_years_are_not_read_again(alice: User) -> None:
    RetentionRule.objects.create(client="museum", days=3650)
    for _ in range(5):
        old(alice, days=400, caller=Caller(client="museum"))
    old(alice)
    # With one row in a step, each row that is read would be a step of its own.
    visited = [position.client for position, _ in steps(rows=1)]
    assert visited == ["", "museum", "shop", "shop"]


@pytest.mark.parametrize("kind", [Kind.TEST, Kind.LIVE])
def test_both_kinds_of_each_client_are_purged(alice: User, kind: Kind) -> None:
    for client in ("a", "b"):
        old(alice, caller=Caller(client=client, kind=kind))
        old(alice, caller=Caller(client=client))
    assert purge() == 4


def test_a_step_costs_the_same_number_of_statements_whatever_it_deletes(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        old(alice)
    known = rules.load(timezone.now())
    # Select candidates, savepoint, lock, create the count, add to it, delete attempts, dead
    # letters, events and receipts, delete the rows, release, find the next kind and client.
    with django_assert_num_queries(13):
        assert step(SHOPS, known) == (None, 20)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_locked_notification_is_left_for_the_next_purge(alice: User) -> None:
    held, other = old(alice), old(alice)

    def elsewhere() -> tuple[Position | None, int]:
        try:
            return step(SHOPS, rules.load(timezone.now()))
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        Notification.objects.select_for_update().get(pk=held)
        assert pool.submit(elsewhere).result(timeout=10) == (None, 1)
    assert remaining() == {held}
    assert other not in remaining()
    assert purge() == 1


def test_batches_are_deleted_after_their_notifications(alice: User) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    empty = Batch.objects.create(client="shop", kind="live", body_digest=b"", created_at=long_ago)
    used = Batch.objects.create(client="shop", kind="live", body_digest=b"", created_at=long_ago)
    young = Batch.objects.create(client="shop", kind="live", body_digest=b"")
    running = Batch.objects.create(
        client="shop", kind="live", body_digest=b"", created_at=long_ago, state="paused"
    )
    old(alice, days=89, batch_id=used.pk)
    purge()
    assert set(Batch.objects.all()) == {used, young, running}
    assert empty not in Batch.objects.all()


def test_batches_of_each_client_are_kept_as_its_rule_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purge_others, "STEP_ROWS", 1)
    RetentionRule.objects.create(client="forum", days=30)
    RetentionRule.objects.create(client="museum", days=3650)
    kept = set()
    for client, days in (("museum", 400), ("shop", 91), ("shop", 31), ("forum", 31), ("forum", 29)):
        asked = timezone.now() - timedelta(days=days)
        batch = Batch.objects.create(
            client=client, kind="live", body_digest=b"", created_at=asked, state="finished"
        )
        if (client, days) in {("museum", 400), ("shop", 31), ("forum", 29)}:
            kept.add(batch)
    for _ in range(2):
        purge_others.purge_all(rules.load(timezone.now()))
    assert set(Batch.objects.all()) == kept


def test_old_poison_unmatched_receipts_and_sandbox_messages_are_deleted() -> None:
    long_ago = timezone.now() - timedelta(days=91)
    for age in (long_ago, timezone.now()):
        DeadLetter.objects.filter(pk=poison().pk).update(recorded_at=age)
        Receipt.objects.create(
            notification=None, provider="x", event="bounced", occurred_at=age, received_at=age
        )
        SandboxMessage.objects.create(
            notification_id=first_id_at(age), channel="email", outcome="accepted", created_at=age
        )
    known = rules.load(timezone.now())
    assert purge_others.purge_all(known) == {
        "dead_letters": 1,
        "receipts": 1,
        "sandbox_messages": 1,
    }
    assert purge_others.purge_all(known) == {}
    assert DeadLetter.objects.count() == Receipt.objects.count() == 1
    assert SandboxMessage.objects.count() == 1


@pytest.mark.services
def test_a_row_that_cannot_be_deleted_does_not_stop_the_others(alice: User) -> None:
    """The count of its day is at the maximum of its column, so one more is refused."""
    stuck, others_of_it = old(alice, reason="full"), [old(alice), old(alice)]
    row = Notification.objects.get(pk=stuck)
    DailyCount.objects.create(
        day=day_of(row.created_at),
        client=row.client,
        kind=row.kind,
        channel=row.channel,
        template_code=row.template_code,
        status=row.status,
        reason=row.reason,
        count=2**63 - 1,
    )
    young = old(alice, days=1)
    assert purge() == len(others_of_it)
    assert remaining() == {stuck, young}
