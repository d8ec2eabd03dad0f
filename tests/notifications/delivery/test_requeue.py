"""Rows with the same lane, attempt and delay queue are requeued in one message."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.notifications.delivery.requeue import Requeue, group
from apps.users.models import User
from tests.notifications.factories import accepted

pytestmark = pytest.mark.django_db


def test_rows_of_one_delay_queue_are_requeued_in_one_message(alice: User) -> None:
    now = timezone.now()
    rows = [accepted(alice) for _ in range(3)]
    waits = [(row, 1, now + timedelta(seconds=5 + place)) for place, row in enumerate(rows)]
    assert group(waits, now=now) == [
        Requeue(lane="email", attempt=1, delay_seconds=4, ids=[row.pk for row in rows])
    ]


def test_each_lane_attempt_and_delay_queue_has_a_message_of_its_own(alice: User) -> None:
    now = timezone.now()
    usual, urgent = accepted(alice), accepted(alice, priority=9)
    bulk, push = accepted(alice, priority=0), accepted(alice, notification_type="push")
    due = now + timedelta(seconds=30)
    waits = [
        (usual, 1, due),
        (urgent, 1, due),
        (bulk, 2, due),
        (push, 1, None),
        (usual, 2, due),
        (usual, 1, now + timedelta(seconds=2)),
    ]
    assert [
        (again.lane, again.attempt, again.delay_seconds) for again in group(waits, now=now)
    ] == [
        ("email", 1, 30),
        ("email.urgent", 1, 30),
        ("email.bulk", 2, 30),
        ("push", 1, None),
        ("email", 2, 30),
        ("email", 1, 2),
    ]


def test_a_row_that_is_already_due_is_requeued_at_the_end_of_its_lane(alice: User) -> None:
    now = timezone.now()
    row = accepted(alice)
    past = now - timedelta(seconds=1)
    assert group([(row, 1, past)], now=now) == [
        Requeue(lane="email", attempt=1, delay_seconds=None, ids=[row.pk])
    ]


def test_no_rows_make_no_messages() -> None:
    assert group([], now=timezone.now()) == []
