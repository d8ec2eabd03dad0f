"""The Celery tasks: their wire names, their settings, and what they reject as poison."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from django.db import OperationalError, connection

from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications import tasks
from apps.notifications.broker import topology
from apps.notifications.broker.topology import DELAYS_SECONDS, DELIVER_TASKS, LANES
from apps.notifications.delivery.requeue import Requeue
from apps.notifications.delivery.send import UNAVAILABLE_SECONDS
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import DeadLetter, Notification
from apps.users.models import User
from tests.notifications.factories import accepted, person
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", DELIVER_TASKS.values())
def test_each_wire_name_has_a_task_without_a_retry_limit(name: str) -> None:
    task = current_app.tasks[name]
    assert (task.max_retries, task.ignore_result, task.acks_late) == (None, True, True)


def test_a_message_delivers_its_rows(alice: User) -> None:
    rows = [accepted(alice) for _ in range(3)]
    deliver: Any = tasks.deliver_email
    deliver([str(row.pk) for row in rows], 0)
    assert set(Notification.objects.values_list("status", flat=True)) == {Status.DELIVERED}


def test_a_message_that_is_delivered_twice_sends_once(alice: User) -> None:
    row = accepted(alice, notification_type="push")
    deliver: Any = tasks.deliver_push
    for _ in range(3):
        deliver([str(row.pk)], 0)
    row.refresh_from_db()
    assert (row.status, row.attempts) == (Status.DELIVERED, 1)
    assert row.attempt_rows.count() == 1


def test_a_message_with_unknown_ids_is_acknowledged(db: None) -> None:
    deliver: Any = tasks.deliver_email
    deliver([str(new_id())], 0)


@pytest.mark.parametrize(
    ("statement", "waits"),
    [
        # The claim fails: the message is requeued into its lane.
        ('UPDATE "notifications_notification"', [UNAVAILABLE_SECONDS]),
        # The record fails; it is not retried inside the transaction of a test.
        ('INSERT INTO "notifications_attempt"', []),
    ],
)
def test_a_database_error_does_not_reject_a_message(
    alice: User, statement: str, waits: list[int]
) -> None:
    row = accepted(alice)

    def fail(run: Any, sql: str, *given: Any) -> Any:
        if statement in sql:
            raise OperationalError("away")
        return run(sql, *given)

    with connection.execute_wrapper(fail):
        left = tasks._delivered(Channel.EMAIL, [row.pk], 0)

    assert [(group.ids, group.delay_seconds) for group in left.retries] == [
        ([row.pk], seconds) for seconds in waits
    ]


@pytest.mark.embedded
def test_the_task_records_failures_as_dead_letters(alice: User) -> None:
    row = accepted(person("eve", tokens=("bounce",)), notification_type="push")
    deliver: Any = tasks.deliver_push
    deliver([str(row.pk)], 0)

    row.refresh_from_db()
    assert row.status == Status.FAILED
    assert DeadLetter.objects.get().notification_id == row.pk


@pytest.mark.parametrize("ids", [["nobody"], [1], [None], "ab", [["x"]]])
def test_invalid_ids_are_poison(alice: User, ids: Any) -> None:
    row = accepted(alice)
    deliver: Any = tasks.deliver_email
    with pytest.raises((ValueError, AttributeError, TypeError)):
        deliver(ids, 0)
    row.refresh_from_db()
    assert row.status == Status.PENDING


def test_the_celery_settings_lose_no_message() -> None:
    conf = current_app.conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert not conf.task_acks_on_failure_or_timeout
    assert conf.worker_prefetch_multiplier == 1
    assert conf.broker_connection_max_retries is None
    assert conf.broker_heartbeat == 10
    assert conf.accept_content == ["json"]
    assert not conf.task_create_missing_queues


@pytest.fixture
def task(lanes: Lanes) -> Iterator[Any]:
    """The email task, as if it ran a message of the bulk lane."""
    found = current_app.tasks[DELIVER_TASKS[Channel.EMAIL]]
    found.push_request(
        id=new_id().hex,
        called_directly=False,
        args=[],
        kwargs={},
        delivery_info={"exchange": "notifications", "routing_key": "email.bulk"},
        headers={},
        retries=3,
    )
    yield found
    found.pop_request()


def waiting(queue: str) -> tuple[Any, Any]:
    """Take a message from a queue and return its arguments and its ETA."""
    channel: Any
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        message = channel.message_to_python(channel.basic_get(queue, no_ack=True))
    return message.decode()[0], message.headers["eta"]


@pytest.mark.services
@pytest.mark.parametrize("seconds", DELAYS_SECONDS)
def test_a_delayed_message_waits_in_a_delay_queue_and_nowhere_else(
    task: Any, lanes: Lanes, seconds: int
) -> None:
    ids = [new_id(), new_id()]
    tasks.retry(task, [Requeue(lane="email", attempt=2, delay_seconds=seconds, ids=ids)])
    delay_queue = topology.delay_queue(seconds, lane="email")
    # It has no ETA: a worker would hold a message with an ETA in memory, three minutes by default.
    assert waiting(delay_queue.name) == ([[str(pk) for pk in ids], 2], None)


@pytest.mark.parametrize(
    ("asked", "lane"), [("email.urgent", "email.urgent"), (None, "email.bulk")]
)
def test_a_message_without_a_delay_is_requeued_at_the_end_of_its_lane(
    task: Any, lanes: Lanes, asked: str | None, lane: str
) -> None:
    pk = new_id()
    tasks.retry(task, [Requeue(lane=asked, attempt=1, delay_seconds=None, ids=[pk])])
    assert waiting(lane) == ([[str(pk)], 1], None)


def test_each_requeued_group_is_a_message_of_its_own(task: Any, lanes: Lanes) -> None:
    groups = [
        Requeue(lane=lane, attempt=attempt, delay_seconds=None, ids=[new_id()])
        for attempt, lane in enumerate(LANES)
    ]
    tasks.retry(task, groups)
    taken = [(lane, ids, attempt) for lane, _, ids, attempt in lanes.take()]
    assert taken == [(group.lane, [str(pk) for pk in group.ids], group.attempt) for group in groups]
