"""A row that the sweep cannot handle is tried later, and does not stop other rows."""

import pytest
from django.utils import timezone

from apps.common.failure_isolation import FAILURES_MAX, wait_after
from apps.common.ids import new_id
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, Event, Notification
from apps.notifications.scheduler.sweep import WAKES_COLUMN_MAX, sweep
from apps.users.models import User
from tests.notifications.factories import accepted, make_overdue, row_with_status
from tests.notifications.lanes import Lanes
from tests.notifications.scheduler.times import about

pytestmark = pytest.mark.django_db


def woken(row: Notification) -> bool:
    row.refresh_from_db()
    return row.wakes > 0


def test_a_row_of_an_unknown_channel_does_not_stop_others(alice: User, lanes: Lanes) -> None:
    rows = [accepted(alice) for _ in range(9)]
    bad = rows[4]
    make_overdue(*rows)
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
    row = row_with_status(alice, status, channel="sms")
    waits = []
    for _ in range(FAILURES_MAX):
        make_overdue(row)
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
    row, good = row_with_status(alice, Status.PENDING), accepted(alice)
    Notification.objects.filter(pk=row.pk).update(status="lost")
    for _ in range(FAILURES_MAX):
        make_overdue(row)
        sweep()
    make_overdue(good)
    sweep()
    assert woken(good)
    row.refresh_from_db()
    assert (row.status, row.wake_at) == ("lost", None)
    last = Event.objects.order_by("pk").last()
    assert last is not None
    assert last.detail == "could not be handled: ValueError (8 of 8), given up"
    assert "a due notification could not be handled" in caplog.text


def test_a_finished_row_of_an_unknown_channel_is_no_longer_due(alice: User, lanes: Lanes) -> None:
    row = row_with_status(alice, Status.SENT, channel="sms")
    for _ in range(FAILURES_MAX):
        make_overdue(row)
        sweep()
    row.refresh_from_db()
    assert (row.status, row.wake_at) == (Status.SENT, None)


def test_a_row_at_the_maximum_of_its_wake_up_count_does_not_stop_others(
    alice: User, lanes: Lanes
) -> None:
    often, other = row_with_status(alice, Status.PENDING, wakes=WAKES_COLUMN_MAX), accepted(alice)
    make_overdue(often, other)
    sweep()
    often.refresh_from_db()
    assert often.wakes == WAKES_COLUMN_MAX
    assert woken(other)


@pytest.mark.services
def test_a_row_whose_update_the_database_refuses_does_not_stop_others(
    alice: User, lanes: Lanes
) -> None:
    """One more crash does not fit into the column."""
    row = row_with_status(alice, Status.SENDING, crashes=WAKES_COLUMN_MAX, claim_id=new_id())
    others = [row_with_status(alice, Status.SENDING, claim_id=new_id()), accepted(alice)]
    make_overdue(row, *others)
    assert sweep() == 3
    row.refresh_from_db()
    assert row.status == Status.SENDING
    assert Event.objects.get(notification=row).detail.startswith(
        "could not be handled: django.db.utils.DataError"
    )
    assert sorted(lanes.ids()) == sorted(str(other.pk) for other in others)
