"""A message of several chunks: database work of one overlaps with provider calls of another."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection

from apps.common.channels import Channel
from apps.notifications.delivery.requeue import Requeue
from apps.notifications.delivery.send import BULK_CHUNK_SECONDS, UNAVAILABLE_SECONDS
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification
from tests.fakes.fcm_server import FcmServer
from tests.notifications.delivering import deliver
from tests.notifications.factories import accepted, person, template

pytestmark = pytest.mark.django_db

COUNT = 350
FIRST, SECOND, THIRD, FOURTH = slice(0, 50), slice(50, 150), slice(150, 250), slice(250, 350)


@pytest.fixture
def fcm(fcm_server: FcmServer, settings: Any) -> FcmServer:
    settings.PUSH_PROVIDERS = ["fcm"]
    return fcm_server


@pytest.fixture
def rows(fcm: FcmServer) -> list[Notification]:
    """Notifications of one lane for one user."""
    template("parcel", "push")
    bob = person("bob", tokens=("token-of-bob",))
    return [accepted(bob, notification_type="push", priority=0) for _ in range(COUNT)]


def deliver_all(rows: list[Notification]) -> list[Requeue]:
    return deliver(channel=Channel.PUSH, ids=[row.pk for row in rows], attempt=0)


def statuses(rows: list[Notification]) -> Counter[str]:
    ids = [row.pk for row in rows]
    return Counter(Notification.objects.filter(pk__in=ids).values_list("status", flat=True))


def failing(part: str, *, turn: int) -> Callable[..., Any]:
    """Let the database fail once, at the ``turn``-th statement that contains ``part``."""
    seen = 0

    def execute(run: Callable[..., Any], sql: str, *given: Any) -> Any:
        nonlocal seen
        if part in sql:
            seen += 1
            if seen == turn:
                raise DatabaseError("the database is away")
        return run(sql, *given)

    return execute


def test_all_rows_of_a_long_message_are_sent_and_recorded_once(
    rows: list[Notification], fcm: FcmServer
) -> None:
    assert deliver_all(rows) == []

    assert statuses(rows) == {Status.SENT: COUNT}
    assert fcm.stats()["messages"] == fcm.stats()["distinct"] == COUNT
    assert Attempt.objects.count() == COUNT


def test_a_chunk_is_sent_before_the_previous_one_is_recorded(
    rows: list[Notification],
) -> None:
    deliver_all(rows)

    for ahead, behind in ((FIRST, SECOND), (SECOND, THIRD), (THIRD, FOURTH)):
        begun = Attempt.objects.filter(notification__in=rows[behind])
        recorded = Notification.objects.filter(pk__in=[row.pk for row in rows[ahead]])
        assert max(begun.values_list("started_at", flat=True)) < min(
            recorded.values_list("updated_at", flat=True)
        )


class Slow(FcmServer):
    """Answers the second fifty of the first hundred calls only after all of them were received.

    By then the time limit of a bulk message has passed.
    """

    def __init__(self, *, then: Callable[[], object]) -> None:
        super().__init__()
        self.then = then
        self.heard = asyncio.Event()

    async def pause(self) -> None:
        if self.requests == 100 and not self.heard.is_set():
            self.then()
            self.heard.set()
        elif self.requests > 50:
            await self.heard.wait()


def test_a_long_bulk_message_stops_at_its_time_limit_and_leaves_the_rest_unclaimed(
    rows: list[Notification], settings: Any, tmp_path: Path, ahead: Callable[[float], None]
) -> None:
    with Slow(then=lambda: ahead(BULK_CHUNK_SECONDS)) as fcm:
        key_file = fcm.write_key_file(tmp_path / "key.json")
        settings.FCM_API_URL, settings.FCM_SERVICE_ACCOUNT_FILE = fcm.url, str(key_file)

        waits = deliver_all(rows)

    assert statuses(rows[FIRST]) == {Status.SENT: 50}
    assert statuses(rows[SECOND]) == {Status.SENT: 50, Status.PENDING: 50}
    assert statuses(rows[THIRD]) == statuses(rows[FOURTH]) == {Status.PENDING: 100}
    assert fcm.requests == 100
    assert {(again.lane, again.attempt, again.delay_seconds) for again in waits} == {
        ("push.bulk", 0, None)
    }
    again = [pk for group in waits for pk in group.ids]
    unsent = Notification.objects.filter(status=Status.PENDING)
    assert sorted(again) == sorted(unsent.values_list("pk", flat=True))
    # Releasing a claim renews the wake-up time; a row that was never claimed keeps its own.
    untouched = Notification.objects.filter(pk__in=[row.pk for row in rows[FOURTH]])
    assert set(untouched.values_list("wake_at", flat=True)) == {row.wake_at for row in rows[FOURTH]}


def test_a_chunk_in_flight_is_recorded_when_the_next_one_cannot_be_claimed(
    rows: list[Notification],
) -> None:
    fault = failing('UPDATE "notifications_notification"', turn=2)

    with connection.execute_wrapper(fault):
        (again,) = deliver_all(rows)

    assert statuses(rows[FIRST]) == {Status.SENT: 50}
    assert statuses(rows[50:]) == {Status.PENDING: 300}
    # Back into the lane of the message, after a delay.
    assert (again.lane, again.attempt, again.delay_seconds) == (None, 0, UNAVAILABLE_SECONDS)
    assert again.ids == [row.pk for row in rows[50:]]


def test_a_chunk_in_flight_is_recorded_when_the_previous_one_cannot_be(
    rows: list[Notification],
) -> None:
    fault = failing('INSERT INTO "notifications_attempt"', turn=1)

    with connection.execute_wrapper(fault), pytest.raises(DatabaseError):
        deliver_all(rows)

    assert statuses(rows[FIRST]) == {Status.SENDING: 50}
    assert statuses(rows[SECOND]) == {Status.SENT: 100}
    assert statuses(rows[150:]) == {Status.PENDING: 200}
