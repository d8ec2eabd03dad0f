"""The sweep finds by the rows what is due, whatever became of the messages."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications import sweep as sweeping
from apps.notifications.models import DeadLetter, Event, Notification
from apps.notifications.outbox import FIRST_WAKE
from apps.notifications.states import FINISHED, Status
from apps.notifications.sweep import (
    CRASHES_MAX,
    DEEP_LANE_MESSAGES,
    DEEP_LANE_WAIT,
    LAST_WAKE,
    release_earlier_boots,
    sweep,
)
from apps.users.models import User
from tests.notifications.cast import Lanes, accepted, overdue, person, standing, template

pytestmark = pytest.mark.django_db


def about(moment: datetime | None, expected: datetime) -> bool:
    """Tell whether a time is the expected one, give or take the length of a test."""
    return moment is not None and abs(moment - expected) < timedelta(seconds=5)


def test_what_is_not_due_is_left_alone(alice: User, lanes: Lanes) -> None:
    row = accepted(alice)
    later = timezone.now() + timedelta(seconds=30)
    Notification.objects.update(wake_at=later)
    assert sweep() == 0
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.wake_at, row.wakes) == (later, 0)


@pytest.mark.parametrize("status", [Status.PENDING, Status.RETRYING])
def test_a_lost_message_is_published_again(alice: User, lanes: Lanes, status: Status) -> None:
    row = standing(alice, status, attempts=3)
    overdue(row)
    assert sweep() == 1
    assert lanes.take() == [("email", "notifications.deliver_email", [str(row.pk)], 3)]
    row.refresh_from_db()
    assert (row.status, row.attempts, row.wakes) == (status, 3, 1)
    assert about(row.wake_at, timezone.now() + FIRST_WAKE)


def test_the_looks_grow_rarer_up_to_an_hour(alice: User, lanes: Lanes) -> None:
    row = accepted(alice)
    waits = []
    for _ in range(9):
        overdue(row)
        assert sweep() == 1
        row.refresh_from_db()
        assert row.wake_at is not None
        waits.append(round((row.wake_at - timezone.now()).total_seconds() / 60))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert timedelta(hours=1) == LAST_WAKE


def test_a_schedule_that_has_come_becomes_pending_and_is_published(
    alice: User, lanes: Lanes
) -> None:
    at = timezone.now() + timedelta(hours=1)
    row = accepted(alice, scheduled_for=at, priority=8)
    overdue(row)
    assert sweep() == 1
    assert lanes.take() == [("email.urgent", "notifications.deliver_email", [str(row.pk)], 0)]
    row.refresh_from_db()
    assert (row.status, row.next_attempt_at) == (Status.PENDING, None)
    assert about(row.wake_at, timezone.now() + FIRST_WAKE)
    assert list(Event.objects.values_list("status", "detail")) == [
        ("pending", "the scheduled time has come")
    ]


def test_a_row_whose_holder_died_travels_alone_and_counts_a_crash(
    alice: User, lanes: Lanes
) -> None:
    rows = [
        standing(alice, Status.SENDING, claim_id=new_id(), claimed_until=timezone.now())
        for _ in range(3)
    ]
    waiting = [accepted(alice), accepted(alice)]
    overdue(*rows, *waiting)
    assert sweep() == 5
    messages = lanes.take()
    assert sorted(ids for _, _, ids, _ in messages if len(ids) == 1) == sorted(
        [str(row.pk)] for row in rows
    )
    assert [set(ids) for _, _, ids, _ in messages if len(ids) > 1] == [
        {str(row.pk) for row in waiting}
    ]
    for row in rows:
        row.refresh_from_db()
        assert (row.status, row.crashes, row.attempts) == (Status.PENDING, 1, 0)
        assert (row.claim_id, row.claimed_until) == (None, None)
    details = set(Event.objects.values_list("detail", flat=True))
    assert details == {"the process that held it died"}


def test_a_lease_that_still_runs_is_left_alone(alice: User, lanes: Lanes) -> None:
    until = timezone.now() + timedelta(seconds=40)
    row = standing(alice, Status.SENDING, claim_id=new_id(), claimed_until=until, wake_at=until)
    assert sweep() == 0
    row.refresh_from_db()
    assert (row.status, row.crashes) == (Status.SENDING, 0)


def test_a_row_that_kills_its_process_five_times_fails_as_crashed(
    alice: User, lanes: Lanes
) -> None:
    row = accepted(alice)
    for crash in range(1, CRASHES_MAX + 1):
        Notification.objects.update(status=Status.SENDING, claim_id=new_id())
        overdue(row)
        assert sweep() == 1
        row.refresh_from_db()
        assert row.crashes == crash
    assert (row.status, row.reason, row.claim_id) == (Status.FAILED, "crashed", None)
    assert lanes.ids() == [str(row.pk)] * (CRASHES_MAX - 1)
    assert Event.objects.filter(status="failed").get().detail == (
        "the process that held it died 5 times"
    )


@pytest.mark.embedded
def test_the_embedded_mode_records_the_dead_letter_of_a_crash_at_once(
    alice: User, lanes: Lanes
) -> None:
    row = standing(alice, Status.SENDING, crashes=4, claim_id=new_id())
    overdue(row)
    sweep()
    letter = DeadLetter.objects.get()
    assert (letter.notification_id, letter.reason, letter.channel) == (row.pk, "crashed", "email")
    row.refresh_from_db()
    assert row.wake_at is None


@pytest.mark.services
def test_a_crash_for_good_goes_through_the_dead_letter_exchange(alice: User, lanes: Lanes) -> None:
    row = standing(alice, Status.SENDING, crashes=4, claim_id=new_id())
    overdue(row)
    sweep()
    assert lanes.depth("failed") == 1
    row.refresh_from_db()
    assert about(row.wake_at, timezone.now() + timedelta(seconds=60))


def test_a_failed_row_without_a_dead_letter_is_sent_there_again(alice: User, lanes: Lanes) -> None:
    row = standing(alice, Status.FAILED, reason="attempts_exhausted")
    overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.FAILED, "attempts_exhausted")
    assert DeadLetter.objects.count() + lanes.depth("failed") == 1


@pytest.mark.parametrize("status", sorted(FINISHED - {Status.FAILED}))
def test_a_finished_row_that_still_had_a_wake_loses_it(
    alice: User, lanes: Lanes, status: Status
) -> None:
    row = standing(alice, status, reason="kept")
    overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason, row.wake_at) == (status, "kept", None)


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PENDING, Status.RETRYING])
def test_what_came_too_late_expires(alice: User, lanes: Lanes, status: Status) -> None:
    row = standing(alice, status, expires_at=timezone.now() - timedelta(seconds=1))
    overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason, row.wake_at) == (Status.EXPIRED, "expired", None)
    assert Event.objects.get().detail == "expires_at has passed"


def test_a_crashed_row_is_not_expired_because_it_may_have_been_sent(
    alice: User, lanes: Lanes
) -> None:
    """Its next holder judges the deadline; until then the outcome is unknown."""
    row = standing(
        alice, Status.SENDING, claim_id=new_id(), expires_at=timezone.now() - timedelta(1)
    )
    overdue(row)
    sweep()
    row.refresh_from_db()
    assert (row.status, row.crashes) == (Status.PENDING, 1)


def test_a_deep_lane_holds_its_rows_back_and_no_others(alice: User, lanes: Lanes) -> None:
    lanes.fill("email", DEEP_LANE_MESSAGES + 1)
    slow, urgent = accepted(alice), accepted(alice, priority=9)
    overdue(slow, urgent)
    assert sweep() == 2
    assert lanes.depth("email") == DEEP_LANE_MESSAGES + 1
    assert lanes.depth("email.urgent") == 1
    slow.refresh_from_db()
    assert (slow.status, slow.wakes) == (Status.PENDING, 0)
    assert about(slow.wake_at, timezone.now() + DEEP_LANE_WAIT)


def test_a_hundred_rows_travel_in_one_message(alice: User, lanes: Lanes) -> None:
    rows = [accepted(alice) for _ in range(150)]
    overdue(*rows)
    assert sweep() == 150
    assert sorted(len(ids) for _, _, ids, _ in lanes.take()) == [50, 100]


def test_a_batch_is_bounded_and_takes_the_oldest_first(alice: User, lanes: Lanes) -> None:
    rows = [accepted(alice) for _ in range(5)]
    for place, row in enumerate(rows):
        Notification.objects.filter(pk=row.pk).update(
            wake_at=timezone.now() - timedelta(minutes=10 - place)
        )
    assert sweep(limit=3) == 3
    assert lanes.ids() == [str(row.pk) for row in rows[:3]]
    assert sweep(limit=3) == 2


def test_without_a_broker_nothing_is_taken(alice: User, broker_away: Callable[[], None]) -> None:
    row = accepted(alice)
    schedule = accepted(alice, scheduled_for=timezone.now() + timedelta(hours=1))
    overdue(row, schedule)
    before = list(Notification.objects.order_by("pk").values())
    assert sweep() == 0
    assert list(Notification.objects.order_by("pk").values()) == before


def test_a_boot_releases_what_the_one_before_held(alice: User) -> None:
    held = standing(
        alice,
        Status.SENDING,
        claim_id=new_id(),
        claimed_until=timezone.now() + timedelta(seconds=60),
        wake_at=timezone.now() + timedelta(seconds=60),
    )
    published = standing(alice, Status.PENDING, wake_at=timezone.now() + timedelta(hours=1))
    due = timezone.now() + timedelta(minutes=5)
    retrying = standing(
        alice, Status.RETRYING, next_attempt_at=due, wake_at=due + timedelta(seconds=30)
    )
    done = standing(alice, Status.SENT, wake_at=None)
    assert release_earlier_boots() == 3
    for row in (held, published):
        row.refresh_from_db()
        assert (row.status, row.crashes, row.claim_id) == (Status.PENDING, 0, None)
        assert about(row.wake_at, timezone.now())
    retrying.refresh_from_db()
    done.refresh_from_db()
    assert (retrying.status, retrying.wake_at) == (Status.RETRYING, due)
    assert done.wake_at is None


@pytest.mark.django_db(transaction=True)
def test_sweeps_at_the_same_time_take_each_row_once(lanes: Lanes) -> None:
    template("welcome")
    user = person("alice")
    rows = [accepted(user) for _ in range(300)]
    overdue(*rows)
    lanes.purge()
    start = threading.Barrier(4)
    taken = []

    def work() -> None:
        try:
            start.wait()
            while count := sweeping.sweep(limit=50):
                taken.append(count)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(taken) == 300
    assert sorted(lanes.ids()) == sorted(str(row.pk) for row in rows)
    assert set(Notification.objects.values_list("wakes", flat=True)) == {1}
