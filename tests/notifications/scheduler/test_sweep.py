"""The sweep finds due work by the rows alone, whatever happened to the messages."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.common.failure_isolation import FAILURES_MAX, wait_after
from apps.common.ids import new_id
from apps.notifications.broker.publisher import FIRST_WAKE
from apps.notifications.lifecycle.states import FINISHED, Status
from apps.notifications.models import DeadLetter, Event, Notification
from apps.notifications.scheduler import sweep as sweeping
from apps.notifications.scheduler.suspension import (
    CHECK_INTERVAL,
    SUSPENDED_AFTER,
    SuspensionDetector,
)
from apps.notifications.scheduler.sweep import (
    CRASHES_MAX,
    DEEP_LANE_MESSAGES,
    DEEP_LANE_WAIT,
    LAST_WAKE,
    WAKES_COLUMN_MAX,
    release_earlier_boots,
    sweep,
)
from apps.users.models import User
from tests.notifications.cast import Lanes, accepted, overdue, person, standing, template

pytestmark = pytest.mark.django_db


def about(moment: datetime | None, expected: datetime) -> bool:
    """Check that a time is the expected one, within 5 s for the duration of the test."""
    return moment is not None and abs(moment - expected) < timedelta(seconds=5)


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
    row = standing(alice, status, attempts=3)
    overdue(row)
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
        overdue(*[accepted(alice) for _ in range(count)])
        with CaptureQueriesContext(connection) as queries:
            assert sweep() == count
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_the_time_between_wake_ups_of_a_row_grows_up_to_an_hour(alice: User, lanes: Lanes) -> None:
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


def test_a_scheduled_row_becomes_pending_and_is_published_when_it_is_due(
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


def test_a_row_whose_worker_died_is_published_alone_and_counts_a_crash(
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
    assert details == {"the worker that held it died"}


def test_a_row_with_a_valid_lease_is_not_changed(alice: User, lanes: Lanes) -> None:
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
        "the worker that held it died 5 times"
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
def test_the_last_crash_is_published_to_the_dead_letter_exchange(alice: User, lanes: Lanes) -> None:
    row = standing(alice, Status.SENDING, crashes=4, claim_id=new_id())
    overdue(row)
    sweep()
    assert lanes.depth("failed") == 1
    row.refresh_from_db()
    assert about(row.wake_at, timezone.now() + timedelta(seconds=60))


def test_a_failed_row_without_a_dead_letter_is_published_to_the_exchange_again(
    alice: User, lanes: Lanes
) -> None:
    row = standing(alice, Status.FAILED, reason="attempts_exhausted")
    overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.FAILED, "attempts_exhausted")
    assert DeadLetter.objects.count() + lanes.depth("failed") == 1


@pytest.mark.parametrize("status", sorted(FINISHED - {Status.FAILED}))
def test_a_finished_row_with_a_wake_up_time_loses_it(
    alice: User, lanes: Lanes, status: Status
) -> None:
    row = standing(alice, status, reason="kept")
    overdue(row)
    assert sweep() == 1
    assert lanes.take() == []
    row.refresh_from_db()
    assert (row.status, row.reason, row.wake_at) == (status, "kept", None)


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PENDING, Status.RETRYING])
def test_a_row_past_its_deadline_expires(alice: User, lanes: Lanes, status: Status) -> None:
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
    """The next worker checks the deadline; until then the outcome is unknown."""
    row = standing(
        alice, Status.SENDING, claim_id=new_id(), expires_at=timezone.now() - timedelta(1)
    )
    overdue(row)
    sweep()
    row.refresh_from_db()
    assert (row.status, row.crashes) == (Status.PENDING, 1)


def test_a_long_lane_delays_its_own_rows_and_no_others(alice: User, lanes: Lanes) -> None:
    lanes.fill("email", DEEP_LANE_MESSAGES + 1)
    slow, urgent = accepted(alice), accepted(alice, priority=9)
    overdue(slow, urgent)
    assert sweep() == 2
    assert lanes.depth("email") == DEEP_LANE_MESSAGES + 1
    assert lanes.depth("email.urgent") == 1
    slow.refresh_from_db()
    assert (slow.status, slow.wakes) == (Status.PENDING, 0)
    assert about(slow.wake_at, timezone.now() + DEEP_LANE_WAIT)


def test_a_hundred_rows_are_published_in_one_message(alice: User, lanes: Lanes) -> None:
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


def test_without_a_broker_no_row_is_changed(
    alice: User, broker_unreachable: Callable[[], None]
) -> None:
    row = accepted(alice)
    schedule = accepted(alice, scheduled_for=timezone.now() + timedelta(hours=1))
    overdue(row, schedule)
    before = list(Notification.objects.order_by("pk").values())
    assert sweep() == 0
    assert list(Notification.objects.order_by("pk").values()) == before


def test_a_start_releases_rows_that_the_previous_process_held(alice: User) -> None:
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
def test_concurrent_sweeps_take_each_row_once(lanes: Lanes) -> None:
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


def woken(row: Notification) -> bool:
    row.refresh_from_db()
    return row.wakes > 0


@pytest.mark.services
@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_scheduler_whose_clock_is_an_hour_off_uses_the_clock_of_the_database(
    alice: User, lanes: Lanes, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    until = timezone.now() + timedelta(seconds=40)
    held = standing(alice, Status.SENDING, claim_id=new_id(), claimed_until=until, wake_at=until)
    late, good = accepted(alice), accepted(alice)
    overdue(late, expires_at=timezone.now() - timedelta(seconds=1))
    overdue(good, expires_at=timezone.now() + timedelta(seconds=30))
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


def test_after_a_suspension_the_sweep_spares_expired_leases_and_does_the_rest(
    alice: User, lanes: Lanes
) -> None:
    held = standing(alice, Status.SENDING, claim_id=new_id(), claimed_until=timezone.now())
    schedule = accepted(alice, scheduled_for=timezone.now() + timedelta(hours=1))
    overdue(held, schedule)
    awake = SuspensionDetector()
    awake.round_succeeded(timezone.now() - timedelta(seconds=70))
    assert sweep(awake=awake) == 2
    assert lanes.ids() == [str(schedule.pk)]
    held.refresh_from_db()
    assert (held.status, held.crashes) == (Status.SENDING, 0)
    assert about(held.wake_at, timezone.now() + CHECK_INTERVAL)
    # Other leases that end within this time are spared as well.
    overdue(held)
    sweep(awake=awake)
    held.refresh_from_db()
    assert held.status == Status.SENDING
    # The grace time is over.
    overdue(held)
    later = SuspensionDetector()
    later.round_succeeded(timezone.now())
    sweep(awake=later)
    held.refresh_from_db()
    assert (held.status, held.crashes) == (Status.PENDING, 1)


def test_a_round_after_a_slow_one_takes_back_expired_leases(alice: User, lanes: Lanes) -> None:
    held = standing(alice, Status.SENDING, claim_id=new_id(), claimed_until=timezone.now())
    overdue(held)
    awake = SuspensionDetector()
    awake.round_succeeded(timezone.now() - timedelta(seconds=19))
    sweep(awake=awake)
    held.refresh_from_db()
    assert (held.status, held.crashes) == (Status.PENDING, 1)


def test_a_round_without_work_counts_as_a_successful_round(alice: User, lanes: Lanes) -> None:
    awake = SuspensionDetector()
    assert sweep(awake=awake) == 0
    assert awake.lenient_until(timezone.now() + timedelta(seconds=10)) is None


def test_the_first_round_after_a_start_counts_as_one_after_a_suspension() -> None:
    now = timezone.now()
    awake = SuspensionDetector()
    assert awake.lenient_until(now) == now + CHECK_INTERVAL
    awake.round_succeeded(now)
    assert awake.lenient_until(now + timedelta(seconds=2)) == now + CHECK_INTERVAL
    awake.round_succeeded(now + timedelta(seconds=2))
    assert awake.lenient_until(now + CHECK_INTERVAL) is None


@pytest.mark.parametrize("jump", [SUSPENDED_AFTER, -SUSPENDED_AFTER])
def test_a_clock_jump_in_either_direction_counts_as_a_suspension(jump: timedelta) -> None:
    now = timezone.now()
    awake = SuspensionDetector()
    awake.round_succeeded(now)
    assert awake.lenient_until(now + jump) is None
    beyond = now + jump * 1.01
    assert awake.lenient_until(beyond) == beyond + CHECK_INTERVAL


def test_a_row_of_an_unknown_channel_does_not_stop_others(alice: User, lanes: Lanes) -> None:
    rows = [accepted(alice) for _ in range(9)]
    bad = rows[4]
    overdue(*rows)
    Notification.objects.filter(pk=bad.pk).update(channel="sms")
    assert sweep() == 9
    others = [row for row in rows if row.pk != bad.pk]
    assert sorted(lanes.ids()) == sorted(str(row.pk) for row in others)
    assert all(woken(row) for row in others)
    bad.refresh_from_db()
    assert (bad.status, bad.wakes) == (Status.PENDING, 0)
    assert about(bad.wake_at, timezone.now() + wait_after(1))
    event = Event.objects.get()
    assert (event.notification_id, event.detail) == (
        bad.pk,
        "could not be handled: KeyError (1 of 8)",
    )


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PENDING, Status.SENDING])
def test_a_row_of_an_unknown_channel_fails_as_undeliverable(
    alice: User, lanes: Lanes, status: Status
) -> None:
    row = standing(alice, status, channel="sms")
    waits = []
    for _ in range(FAILURES_MAX):
        overdue(row)
        assert sweep() == 1
        row.refresh_from_db()
        assert row.wake_at is not None or row.status == Status.FAILED
        if row.status == status:
            assert row.wake_at is not None
            waits.append(round((row.wake_at - timezone.now()).total_seconds() / 60))
    assert waits == [1, 2, 4, 8, 16, 32, 60]
    assert (row.status, row.reason, row.claim_id) == (Status.FAILED, "undeliverable", None)
    assert DeadLetter.objects.count() + lanes.depth("failed") == 1


def test_a_row_of_an_unknown_status_is_given_up_and_logged(
    alice: User, lanes: Lanes, caplog: pytest.LogCaptureFixture
) -> None:
    row, good = standing(alice, Status.PENDING), accepted(alice)
    Notification.objects.filter(pk=row.pk).update(status="lost")
    for _ in range(FAILURES_MAX):
        overdue(row)
        sweep()
    overdue(good)
    sweep()
    assert woken(good)
    row.refresh_from_db()
    assert (row.status, row.wake_at) == ("lost", None)
    last = Event.objects.order_by("pk").last()
    assert last is not None
    assert last.detail == "could not be handled: ValueError (8 of 8), given up"
    assert "a due notification could not be handled" in caplog.text


def test_a_finished_row_of_an_unknown_channel_is_no_longer_due(alice: User, lanes: Lanes) -> None:
    row = standing(alice, Status.SENT, channel="sms")
    for _ in range(FAILURES_MAX):
        overdue(row)
        sweep()
    row.refresh_from_db()
    assert (row.status, row.wake_at) == (Status.SENT, None)


def test_a_row_at_the_maximum_of_its_wake_up_count_does_not_stop_others(
    alice: User, lanes: Lanes
) -> None:
    often, other = standing(alice, Status.PENDING, wakes=WAKES_COLUMN_MAX), accepted(alice)
    overdue(often, other)
    sweep()
    often.refresh_from_db()
    assert often.wakes == WAKES_COLUMN_MAX
    assert woken(other)


@pytest.mark.services
def test_a_row_whose_update_the_database_refuses_does_not_stop_others(
    alice: User, lanes: Lanes
) -> None:
    """One more crash does not fit into the column."""
    row = standing(alice, Status.SENDING, crashes=WAKES_COLUMN_MAX, claim_id=new_id())
    others = [standing(alice, Status.SENDING, claim_id=new_id()), accepted(alice)]
    overdue(row, *others)
    assert sweep() == 3
    row.refresh_from_db()
    assert row.status == Status.SENDING
    assert Event.objects.get(notification=row).detail.startswith(
        "could not be handled: django.db.utils.DataError"
    )
    assert sorted(lanes.ids()) == sorted(str(other.pk) for other in others)


@pytest.mark.parametrize("count", [1, 50])
def test_a_round_costs_ten_statements_for_any_number_of_rows(
    alice: User, lanes: Lanes, count: int
) -> None:
    overdue(*[accepted(alice) for _ in range(count)])
    with CaptureQueriesContext(connection) as captured:
        sweep(awake=SuspensionDetector())
    # 1 savepoint, 2 read and lock, 3 to 8 three times nothing to move in a savepoint each, 9
    # set the next wake-up times, 10 release.
    assert len(captured) == 10, [query["sql"] for query in captured]


def test_a_round_reads_no_content(alice: User, lanes: Lanes) -> None:
    overdue(accepted(alice))
    with CaptureQueriesContext(connection) as captured:
        sweep()
    read = next(query["sql"] for query in captured if query["sql"].startswith("SELECT"))
    assert "variables" not in read
