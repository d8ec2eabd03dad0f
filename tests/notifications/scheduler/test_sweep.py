"""The sweep finds due work by the rows alone, whatever happened to the messages."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.broker.publisher import FIRST_WAKE
from apps.notifications.lifecycle.states import FINISHED, Status
from apps.notifications.models import DeadLetter, Event, Notification
from apps.notifications.scheduler import sweep as sweeping
from apps.notifications.scheduler.suspension import SuspensionDetector
from apps.notifications.scheduler.sweep import DEEP_LANE_MESSAGES, DEEP_LANE_WAIT, LAST_WAKE, sweep
from apps.users.models import User
from tests.notifications.factories import accepted, make_overdue, person, row_with_status, template
from tests.notifications.lanes import Lanes
from tests.notifications.scheduler.times import about

pytestmark = pytest.mark.django_db


def test_a_row_that_is_not_due_is_not_changed(alice: User, lanes: Lanes) -> None:
    row = accepted(alice)
    later = timezone.now() + timedelta(seconds=30)
    Notification.objects.update(wake_at=later)
    assert sweep() == 0
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.wake_at, row.wakes) == (later, 0)


@pytest.mark.parametrize("status", [Status.PENDING, Status.RETRYING])
def test_a_lost_message_is_published_again(alice: User, lanes: Lanes, status: Status) -> None:
    row = row_with_status(alice, status, attempts=3)
    make_overdue(row)
    assert sweep() == 1
    assert lanes.take() == [("email", "notifications.deliver_email", [str(row.pk)], 3)]
    row.refresh_from_db()
    assert (row.status, row.attempts, row.wakes) == (status, 3, 1)
    assert about(row.wake_at, timezone.now() + FIRST_WAKE)


def test_a_round_costs_the_same_number_of_statements_for_any_number_of_due_rows(
    alice: User, lanes: Lanes
) -> None:
    counted = []
    for count in (1, 5):
        make_overdue(*[accepted(alice) for _ in range(count)])
        with CaptureQueriesContext(connection) as queries:
            assert sweep() == count
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_the_time_between_wake_ups_of_a_row_grows_up_to_an_hour(alice: User, lanes: Lanes) -> None:
    row = accepted(alice)
    waits = []
    for _ in range(9):
        make_overdue(row)
        assert sweep() == 1
        row.refresh_from_db()
        assert row.wake_at is not None
        waits.append(round((row.wake_at - timezone.now()).total_seconds() / 60))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert timedelta(hours=1) == LAST_WAKE


def test_a_scheduled_row_becomes_pending_and_is_published_when_it_is_due(
    alice: User, lanes: Lanes
) -> None:
    at = timezone.now() + timedelta(hours=1)
    row = accepted(alice, scheduled_for=at, priority=8)
    make_overdue(row)
    assert sweep() == 1
    assert lanes.take() == [("email.urgent", "notifications.deliver_email", [str(row.pk)], 0)]
    row.refresh_from_db()
    assert (row.status, row.next_attempt_at) == (Status.PENDING, None)
    assert about(row.wake_at, timezone.now() + FIRST_WAKE)
    assert list(Event.objects.values_list("status", "detail")) == [
        ("pending", "the scheduled time has come")
    ]


def test_a_failed_row_without_a_dead_letter_is_published_to_the_exchange_again(
    alice: User, lanes: Lanes
) -> None:
    row = row_with_status(alice, Status.FAILED, reason="attempts_exhausted")
    make_overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.FAILED, "attempts_exhausted")
    assert DeadLetter.objects.count() + lanes.depth("failed") == 1


@pytest.mark.parametrize("status", sorted(FINISHED - {Status.FAILED}))
def test_a_finished_row_with_a_wake_up_time_loses_it(
    alice: User, lanes: Lanes, status: Status
) -> None:
    row = row_with_status(alice, status, reason="kept")
    make_overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason, row.wake_at) == (status, "kept", None)


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PENDING, Status.RETRYING])
def test_a_row_past_its_deadline_expires(alice: User, lanes: Lanes, status: Status) -> None:
    row = row_with_status(alice, status, expires_at=timezone.now() - timedelta(seconds=1))
    make_overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason, row.wake_at) == (Status.EXPIRED, "expired", None)
    assert Event.objects.get().detail == "expires_at has passed"


def test_a_long_lane_delays_its_own_rows_and_no_others(alice: User, lanes: Lanes) -> None:
    lanes.fill("email", DEEP_LANE_MESSAGES + 1)
    slow, urgent = accepted(alice), accepted(alice, priority=9)
    make_overdue(slow, urgent)
    assert sweep() == 2
    assert lanes.depth("email") == DEEP_LANE_MESSAGES + 1
    assert lanes.depth("email.urgent") == 1
    slow.refresh_from_db()
    assert (slow.status, slow.wakes) == (Status.PENDING, 0)
    assert about(slow.wake_at, timezone.now() + DEEP_LANE_WAIT)


def test_three_hundred_rows_are_published_in_one_message(alice: User, lanes: Lanes) -> None:
    rows = [accepted(alice) for _ in range(350)]
    make_overdue(*rows)
    assert sweep() == 350
    assert sorted(len(ids) for _, _, ids, _ in lanes.take()) == [50, 300]


def test_a_batch_is_bounded_and_takes_the_oldest_first(alice: User, lanes: Lanes) -> None:
    rows = [accepted(alice) for _ in range(5)]
    for place, row in enumerate(rows):
        Notification.objects.filter(pk=row.pk).update(
            wake_at=timezone.now() - timedelta(minutes=10 - place)
        )
    assert sweep(limit=3) == 3
    assert lanes.ids() == [str(row.pk) for row in rows[:3]]
    assert sweep(limit=3) == 2


def test_without_a_broker_no_row_is_changed(
    alice: User, broker_unreachable: Callable[[], None]
) -> None:
    row = accepted(alice)
    schedule = accepted(alice, scheduled_for=timezone.now() + timedelta(hours=1))
    make_overdue(row, schedule)
    before = list(Notification.objects.order_by("pk").values())
    assert sweep() == 0
    assert list(Notification.objects.order_by("pk").values()) == before


@pytest.mark.django_db(transaction=True)
def test_concurrent_sweeps_take_each_row_once(lanes: Lanes) -> None:
    template("welcome")
    user = person("alice")
    rows = [accepted(user) for _ in range(300)]
    make_overdue(*rows)
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


@pytest.mark.services
@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_scheduler_whose_clock_is_an_hour_off_uses_the_clock_of_the_database(
    alice: User, lanes: Lanes, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    until = timezone.now() + timedelta(seconds=40)
    held = row_with_status(
        alice, Status.SENDING, claim_id=new_id(), claimed_until=until, wake_at=until
    )
    late, good = accepted(alice), accepted(alice)
    make_overdue(late, expires_at=timezone.now() - timedelta(seconds=1))
    make_overdue(good, expires_at=timezone.now() + timedelta(seconds=30))
    real = timezone.now
    with monkeypatch.context() as clock:
        clock.setattr(timezone, "now", lambda: real() + off)
        assert sweep() == 2
    for row in (held, late, good):
        row.refresh_from_db()
    assert (held.status, held.crashes) == (Status.SENDING, 0)
    assert (late.status, good.status) == (Status.EXPIRED, Status.PENDING)
    assert about(late.updated_at, timezone.now())
    assert about(good.wake_at, timezone.now() + FIRST_WAKE)


@pytest.mark.parametrize("count", [1, 50])
def test_a_round_costs_twelve_statements_for_any_number_of_rows(
    alice: User, lanes: Lanes, count: int
) -> None:
    make_overdue(*[accepted(alice) for _ in range(count)])
    with CaptureQueriesContext(connection) as captured:
        sweep(awake=SuspensionDetector())
    # 1 see that something is due, 2 savepoint, 3 read and lock, 4 to 9 three times nothing to move
    # in a savepoint each, 10 set the next wake-up times, 11 insert counts, 12 release.
    assert len(captured) == 12, [query["sql"] for query in captured]


def test_a_round_reads_no_content(alice: User, lanes: Lanes) -> None:
    make_overdue(accepted(alice))
    with CaptureQueriesContext(connection) as captured:
        sweep()
    read = next(query["sql"] for query in captured if query["sql"].startswith("SELECT"))
    assert "variables" not in read
