"""Names and arguments of exchanges and queues are those that running installations have."""

import configparser
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.channels import Channel
from apps.notifications.broker import topology
from apps.notifications.broker.topology import DELAYS_SECONDS, LANES, delay_queue_for, lane_for
from tests.notifications.lanes import Lanes

ROOT = Path(__file__).resolve().parents[3]

LANE_BY_PRIORITY = {
    0: ".bulk",
    1: ".bulk",
    2: ".bulk",
    3: "",
    4: "",
    5: "",
    6: "",
    7: ".urgent",
    8: ".urgent",
    9: ".urgent",
}


@pytest.mark.parametrize(("priority", "suffix"), LANE_BY_PRIORITY.items())
@pytest.mark.parametrize("channel", Channel)
def test_each_priority_has_its_lane(channel: Channel, priority: int, suffix: str) -> None:
    lane = lane_for(channel, priority)
    assert lane == f"{channel}{suffix}"
    assert lane in LANES
    assert topology.is_bulk(lane) == (priority <= 2)


@given(delay=st.floats(min_value=-10, max_value=1e7, allow_nan=False))
def test_the_delay_queue_is_the_longest_that_does_not_exceed_the_delay(delay: float) -> None:
    delay_queue = delay_queue_for(delay)
    if delay <= 0:
        assert delay_queue is None
    elif delay < 1:
        assert delay_queue == 1
    else:
        assert delay_queue == max(seconds for seconds in DELAYS_SECONDS if seconds <= delay)


@pytest.mark.parametrize(
    ("delay", "delay_queue"),
    [
        (0.0, None),
        (0.001, 1),
        (1.0, 1),
        (1.999, 1),
        (2.0, 2),
        (7.999, 4),
        (8.0, 8),
        (29.9, 8),
        (30.0, 30),
        (119.9, 30),
        (120.0, 120),
        (599.9, 120),
        (600.0, 600),
        (86400.0, 600),
    ],
)
def test_the_delay_queue_at_each_boundary(delay: float, delay_queue: int | None) -> None:
    assert delay_queue_for(delay) == delay_queue


def test_the_lanes_are_exactly_these() -> None:
    assert set(LANES) == {
        "email.urgent",
        "email",
        "email.bulk",
        "push.urgent",
        "push",
        "push.bulk",
    }
    for name, queue in LANES.items():
        assert queue.name == queue.routing_key == name
        assert (queue.exchange.name, queue.exchange.type) == ("notifications", "direct")
        assert queue.durable
        assert queue.exchange.durable
        assert queue.queue_arguments == {
            "x-queue-type": "quorum",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "notifications.dlx",
            "x-dead-letter-routing-key": "failed",
        }


def test_the_failed_queue_is_bound_to_the_dead_letter_exchange_and_forwards_nothing() -> None:
    queue = topology.FAILED
    assert (queue.name, queue.routing_key) == ("failed", "failed")
    assert (queue.exchange.name, queue.exchange.type) == ("notifications.dlx", "direct")
    assert queue.queue_arguments == {"x-queue-type": "quorum"}


@pytest.mark.parametrize("seconds", [1, 2, 4, 8, 30, 120, 600])
def test_a_message_in_a_delay_queue_expires_back_into_its_own_lane(seconds: int) -> None:
    queue = topology.delay_queue(seconds, lane="push.urgent")
    assert queue.name == f"notifications.retry.{seconds}"
    assert (queue.exchange.name, queue.exchange.type) == (queue.name, "fanout")
    assert queue.routing_key == "push.urgent"
    assert queue.queue_arguments == {
        "x-queue-type": "quorum",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-message-ttl": seconds * 1000,
        "x-dead-letter-exchange": "notifications",
    }


def test_there_are_seven_delay_queues() -> None:
    assert DELAYS_SECONDS == (1, 2, 4, 8, 30, 120, 600)


def test_the_tasks_keep_their_wire_names() -> None:
    assert topology.DELIVER_TASKS == {
        Channel.EMAIL: "notifications.deliver_email",
        Channel.PUSH: "notifications.deliver_push",
    }
    assert topology.CHUNK_SIZE == 100
    assert topology.MESSAGE_SIZES == {Channel.EMAIL: 300, Channel.PUSH: 500}


def workers_of_the_stack() -> list[str]:
    """Return the queues of each worker in ``docker/stack.conf``."""
    stack = configparser.RawConfigParser()
    stack.read(ROOT / "docker" / "stack.conf")
    commands = [stack[name].get("command", "") for name in stack.sections()]
    return [found[1] for command in commands if (found := re.search(r" -Q (\S+)", command))]


def test_every_queue_of_workers_has_one_in_the_stack() -> None:
    consumed = [queue for worker in workers_of_the_stack() for queue in worker.split(",")]
    assert sorted(consumed) == sorted(topology.WORKER_QUEUES)


def test_each_urgent_lane_has_a_process_of_its_own_in_the_stack() -> None:
    assert set(workers_of_the_stack()) == {
        "email.urgent",
        "email,email.bulk",
        "push.urgent",
        "push,push.bulk",
        "webhooks",
    }


def test_declaring_the_topology_creates_all_its_queues(lanes: Lanes) -> None:
    assert list(topology.depths(lanes._connection)) == [*LANES, "webhooks", "failed"]
