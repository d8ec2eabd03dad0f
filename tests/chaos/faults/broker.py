"""RabbitMQ is stopped, killed, frozen, refuses publishes, or has lost its queues.

The sweep finds rows without it, so none of these faults explains a copy.
"""

import time
from typing import Any

from kombu import Connection

from apps.common.channels import Channel
from apps.notifications.broker import topology
from tests.chaos import bulk
from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault

DELETE_TIMES = 3
BULK = 1000


@fault(says="RabbitMQ stopped, and started again afterwards")
def rabbitmq_stopped(environment: Environment, seconds: float) -> None:
    """Stop the node as an operator would."""
    environment.rabbitmq.stop()
    try:
        time.sleep(seconds)
    finally:
        environment.rabbitmq.start()


@fault(says="RabbitMQ killed with -9, and started again afterwards")
def rabbitmq_killed(environment: Environment, seconds: float) -> None:
    """Kill the node as a power failure would."""
    environment.rabbitmq.kill()
    try:
        time.sleep(seconds)
    finally:
        environment.rabbitmq.start()


@fault(says="RabbitMQ frozen (SIGSTOP) with its connections open", seconds=20)
def rabbitmq_frozen(environment: Environment, seconds: float) -> None:
    """Suspend it, so that it neither answers nor closes connections."""
    environment.rabbitmq.freeze()
    try:
        time.sleep(seconds)
    finally:
        environment.rabbitmq.thaw()


@fault(says="RabbitMQ in memory alarm: it takes no publishes")
def rabbitmq_memory_alarm(environment: Environment, seconds: float) -> None:
    """Set the memory watermark below what it uses."""
    environment.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        time.sleep(seconds)
    finally:
        environment.rabbitmq.control("set_vm_memory_high_watermark", "0.4")


@fault(says="all queues and exchanges deleted, 3 times, under 2,000 bulk ones", seconds=18)
def queues_deleted(environment: Environment, seconds: float) -> None:
    """Delete them with their messages, like an operator in the wrong virtual host."""
    for channel in Channel:
        bulk.request_many(environment, channel, BULK)
    for _ in range(DELETE_TIMES):
        _delete_all(environment.rabbitmq.url)
        time.sleep(seconds / DELETE_TIMES)


def _delete_all(url: str) -> None:
    channel: Any
    lane = topology.DEFAULT_LANE
    delay_queues = [topology.delay_queue(seconds, lane=lane) for seconds in topology.DELAYS_SECONDS]
    with Connection(url) as connection, connection.channel() as channel:
        for queue in (topology.FAILED, topology.WEBHOOKS, *topology.LANES.values(), *delay_queues):
            channel.queue_delete(queue.name)
        for exchange in (topology.EXCHANGE, topology.DEAD_LETTER_EXCHANGE):
            channel.exchange_delete(exchange.name)
        for delay_queue in delay_queues:
            channel.exchange_delete(delay_queue.exchange.name)
