"""The sweep takes rows back from workers that died, but not from those that were suspended."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, Event, Notification
from apps.notifications.scheduler.suspension import (
    CHECK_INTERVAL,
    SUSPENDED_AFTER,
    SuspensionDetector,
)
from apps.notifications.scheduler.sweep import CRASHES_MAX, release_earlier_boots, sweep
from apps.users.models import User
from tests.notifications.factories import accepted, make_overdue, row_with_status
from tests.notifications.lanes import Lanes
from tests.notifications.scheduler.times import about

pytestmark = pytest.mark.django_db


def test_a_row_whose_worker_died_is_published_alone_and_counts_a_crash(
    alice: User, lanes: Lanes
) -> None:
    rows = [
        row_with_status(alice, Status.SENDING, claim_id=new_id(), claimed_until=timezone.now())
        for _ in range(3)
    ]
    waiting = [accepted(alice), accepted(alice)]
    make_overdue(*rows, *waiting)
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
    row = row_with_status(
        alice, Status.SENDING, claim_id=new_id(), claimed_until=until, wake_at=until
    )
    assert sweep() == 0
    row.refresh_from_db()
    assert (row.status, row.crashes) == (Status.SENDING, 0)


def test_a_row_that_kills_its_process_five_times_fails_as_crashed(
    alice: User, lanes: Lanes
) -> None:
    row = accepted(alice)
    for crash in range(1, CRASHES_MAX + 1):
        Notification.objects.update(status=Status.SENDING, claim_id=new_id())
        make_overdue(row)
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
    row = row_with_status(alice, Status.SENDING, crashes=4, claim_id=new_id())
    make_overdue(row)
    sweep()
    letter = DeadLetter.objects.get()
    assert (letter.notification_id, letter.reason, letter.channel) == (row.pk, "crashed", "email")
    row.refresh_from_db()
    assert row.wake_at is None


@pytest.mark.services
def test_the_last_crash_is_published_to_the_dead_letter_exchange(alice: User, lanes: Lanes) -> None:
    row = row_with_status(alice, Status.SENDING, crashes=4, claim_id=new_id())
    make_overdue(row)
    sweep()
    assert lanes.depth("failed") == 1
    row.refresh_from_db()
    assert about(row.wake_at, timezone.now() + timedelta(seconds=60))


def test_a_crashed_row_is_not_expired_because_it_may_have_been_sent(
    alice: User, lanes: Lanes
) -> None:
    """The next worker checks the deadline; until then the outcome is unknown."""
    row = row_with_status(
        alice, Status.SENDING, claim_id=new_id(), expires_at=timezone.now() - timedelta(1)
    )
    make_overdue(row)
    sweep()
    row.refresh_from_db()
    assert (row.status, row.crashes) == (Status.PENDING, 1)


def test_a_start_releases_rows_that_the_previous_process_held(alice: User) -> None:
    held = row_with_status(
        alice,
        Status.SENDING,
        claim_id=new_id(),
        claimed_until=timezone.now() + timedelta(seconds=60),
        wake_at=timezone.now() + timedelta(seconds=60),
    )
    published = row_with_status(alice, Status.PENDING, wake_at=timezone.now() + timedelta(hours=1))
    due = timezone.now() + timedelta(minutes=5)
    retrying = row_with_status(
        alice, Status.RETRYING, next_attempt_at=due, wake_at=due + timedelta(seconds=30)
    )
    done = row_with_status(alice, Status.SENT, wake_at=None)
    assert release_earlier_boots() == 3
    for row in (held, published):
        row.refresh_from_db()
        assert (row.status, row.crashes, row.claim_id) == (Status.PENDING, 0, None)
        assert about(row.wake_at, timezone.now())
    retrying.refresh_from_db()
    done.refresh_from_db()
    assert (retrying.status, retrying.wake_at) == (Status.RETRYING, due)
    assert done.wake_at is None


def test_after_a_suspension_the_sweep_spares_expired_leases_and_does_the_rest(
    alice: User, lanes: Lanes
) -> None:
    held = row_with_status(alice, Status.SENDING, claim_id=new_id(), claimed_until=timezone.now())
    schedule = accepted(alice, scheduled_for=timezone.now() + timedelta(hours=1))
    make_overdue(held, schedule)
    awake = SuspensionDetector()
    awake.round_succeeded(timezone.now() - timedelta(seconds=70))
    assert sweep(awake=awake) == 2
    assert lanes.ids() == [str(schedule.pk)]
    held.refresh_from_db()
    assert (held.status, held.crashes) == (Status.SENDING, 0)
    assert about(held.wake_at, timezone.now() + CHECK_INTERVAL)
    # Other leases that end within this time are spared as well.
    make_overdue(held)
    sweep(awake=awake)
    held.refresh_from_db()
    assert held.status == Status.SENDING
    # The grace time is over.
    make_overdue(held)
    later = SuspensionDetector()
    later.round_succeeded(timezone.now())
    sweep(awake=later)
    held.refresh_from_db()
    assert (held.status, held.crashes) == (Status.PENDING, 1)


def test_a_round_after_a_slow_one_takes_back_expired_leases(alice: User, lanes: Lanes) -> None:
    held = row_with_status(alice, Status.SENDING, claim_id=new_id(), claimed_until=timezone.now())
    make_overdue(held)
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
