"""Delayed messages wait in the broker's delay queues and keep the routing key of their lane."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.broker import topology
from apps.notifications.delivery.requeue import Requeue
from apps.notifications.tasks import retry
from tests.notifications.lanes import Lanes

IDS = [new_id(), new_id()]


@pytest.fixture
def task() -> Iterator[Any]:
    """A task with the request context that it has while a worker runs it."""
    running: Any = current_app.tasks["notifications.deliver_email"]
    running.push_request(
        id=str(new_id()),
        args=[[str(pk) for pk in IDS], 0],
        kwargs={},
        retries=0,
        called_directly=False,
        is_eager=False,
        delivery_info={"exchange": "notifications", "routing_key": "email"},
        headers={"correlation_ids": ["corr-1"]},
    )
    yield running
    running.pop_request()


def group(
    delay_queue: int | None, lane: str = "email.bulk", ids: list[UUID] | None = None
) -> Requeue:
    return Requeue(lane=lane, attempt=3, delay_seconds=delay_queue, ids=ids or IDS)


@pytest.mark.services
@pytest.mark.parametrize("seconds", topology.DELAYS_SECONDS)
def test_each_delay_queue_takes_messages_for_the_lane(
    task: Any, lanes: Lanes, seconds: int
) -> None:
    retry(task, [group(seconds)])
    message = lanes.first(f"notifications.retry.{seconds}")
    assert message.delivery_info["routing_key"] == "email.bulk"
    args, _, _ = message.decode()
    assert args == [[str(pk) for pk in IDS], 3]
    assert (message.headers["task"], message.headers["eta"]) == (task.name, None)
    assert message.headers["correlation_ids"] == ["corr-1"]
    assert lanes.take() == []


@pytest.mark.services
def test_a_message_returns_to_its_lane_after_the_delay(task: Any, lanes: Lanes) -> None:
    retry(task, [group(1)])
    started = timezone.now()
    while not lanes.depth("email.bulk"):
        assert (timezone.now() - started).total_seconds() < 10
    assert (timezone.now() - started).total_seconds() >= 0.5
    assert lanes.take() == [
        ("email.bulk", "notifications.deliver_email", [str(pk) for pk in IDS], 3)
    ]


@pytest.mark.embedded
def test_the_embedded_mode_delays_messages_in_memory(task: Any, lanes: Lanes) -> None:
    before = timezone.now()
    retry(task, [group(8)])
    message = lanes.first("email.bulk")
    eta = datetime.fromisoformat(message.headers["eta"])
    assert 7 <= (eta - before).total_seconds() <= 9
    assert message.decode()[0] == [[str(pk) for pk in IDS], 3]


def test_a_message_without_a_delay_goes_to_the_end_of_its_lane(task: Any, lanes: Lanes) -> None:
    retry(task, [group(None, "email"), group(None, "email.urgent", IDS[:1])])
    assert lanes.take() == [
        ("email.urgent", "notifications.deliver_email", [str(IDS[0])], 3),
        ("email", "notifications.deliver_email", [str(pk) for pk in IDS], 3),
    ]
