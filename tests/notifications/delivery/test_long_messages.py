"""A message of several chunks: while one is on the wire, the others are with the database."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection

from apps.notifications.delivery.again import Again
from apps.notifications.delivery.deliver import deliver
from apps.notifications.models import Attempt, Notification
from apps.notifications.queues import CHUNK_SIZE, Channel
from apps.notifications.states import Status
from tests.fakes.fcm_server import FcmServer
from tests.notifications.cast import accepted, person, template

pytestmark = pytest.mark.django_db

# Two chunks and a half.
COUNT = 250


@pytest.fixture
def fcm(fcm_server: FcmServer, settings: Any) -> FcmServer:
    settings.PUSH_PROVIDERS = ["fcm"]
    return fcm_server


@pytest.fixture
def rows(fcm: FcmServer) -> list[Notification]:
    """Notifications of one lane for one person."""
    template("parcel", "push")
    bob = person("bob", tokens=("token-of-bob",))
    return [accepted(bob, notification_type="push", priority=0) for _ in range(COUNT)]


def driven(rows: list[Notification]) -> list[Again]:
    return deliver(channel=Channel.PUSH, ids=[row.pk for row in rows], attempt=0)


def statuses(rows: list[Notification]) -> Counter[str]:
    ids = [row.pk for row in rows]
    return Counter(Notification.objects.filter(pk__in=ids).values_list("status", flat=True))


def failing(beginning: str, *, turn: int) -> Callable[..., Any]:
    """Let the database fail once, over the first, second or later statement that begins so."""
    seen = 0

    def execute(run: Callable[..., Any], sql: str, *given: Any) -> Any:
        nonlocal seen
        if sql.startswith(beginning):
            seen += 1
            if seen == turn:
                raise DatabaseError("the database is away")
        return run(sql, *given)

    return execute


def test_all_of_a_long_message_is_sent_and_recorded_once(
    rows: list[Notification], fcm: FcmServer
) -> None:
    assert driven(rows) == []

    assert statuses(rows) == {Status.SENT: COUNT}
    assert fcm.stats()["messages"] == fcm.stats()["distinct"] == COUNT
    assert Attempt.objects.count() == COUNT


def test_a_chunk_is_on_the_wire_before_the_one_ahead_of_it_is_recorded(
    rows: list[Notification],
) -> None:
    driven(rows)

    first, second = rows[:CHUNK_SIZE], rows[CHUNK_SIZE : 2 * CHUNK_SIZE]
    begun = Attempt.objects.filter(notification__in=second).values_list("started_at", flat=True)
    recorded = Notification.objects.filter(pk__in=[row.pk for row in first]).values_list(
        "updated_at", flat=True
    )
    assert max(begun) < min(recorded)


def test_a_long_bulk_message_makes_way_and_leaves_the_rest_unclaimed(
    rows: list[Notification], fcm: FcmServer
) -> None:
    # The exchange of the token and the two halves of the first chunk take 2.25 s; bulk has 2 s.
    fcm.latency = 0.75

    waits = driven(rows)

    assert statuses(rows[:CHUNK_SIZE]) == {Status.SENT: CHUNK_SIZE}
    assert statuses(rows[CHUNK_SIZE:]) == {Status.PENDING: COUNT - CHUNK_SIZE}
    assert fcm.requests == CHUNK_SIZE
    assert {(again.lane, again.attempt, again.rung_seconds) for again in waits} == {
        ("push.bulk", 0, None)
    }
    again = [pk for group in waits for pk in group.ids]
    assert sorted(again) == sorted(row.pk for row in rows[CHUNK_SIZE:])
    untouched = Notification.objects.filter(pk__in=[row.pk for row in rows[2 * CHUNK_SIZE :]])
    assert set(untouched.values_list("claim_id", flat=True)) == {None}


def test_what_is_on_the_wire_is_recorded_when_the_next_chunk_cannot_be_claimed(
    rows: list[Notification],
) -> None:
    fault = failing('UPDATE "notifications_notification"', turn=2)

    with connection.execute_wrapper(fault), pytest.raises(DatabaseError):
        driven(rows)

    assert statuses(rows[:CHUNK_SIZE]) == {Status.SENT: CHUNK_SIZE}
    assert statuses(rows[CHUNK_SIZE:]) == {Status.PENDING: COUNT - CHUNK_SIZE}


def test_what_is_on_the_wire_is_recorded_when_the_chunk_ahead_of_it_cannot_be(
    rows: list[Notification],
) -> None:
    fault = failing('INSERT INTO "notifications_attempt"', turn=1)

    with connection.execute_wrapper(fault), pytest.raises(DatabaseError):
        driven(rows)

    first, second, third = rows[:100], rows[100:200], rows[200:]
    assert statuses(first) == {Status.SENDING: CHUNK_SIZE}
    assert statuses(second) == {Status.SENT: CHUNK_SIZE}
    assert statuses(third) == {Status.PENDING: COUNT - 2 * CHUNK_SIZE}
