"""The broker delivers every message twice."""

import threading
import time
from contextlib import suppress
from typing import Any

from kombu import Connection, Consumer, Queue
from kombu.message import Message

from apps.notifications.broker import topology
from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault

MARK = "chaos-second-copy"


@fault(says="every message of every lane published a second time")
def messages_doubled(environment: Environment, seconds: float) -> None:
    """Receive everything that is published to a lane, and publish it once more."""
    over = threading.Event()
    repeater = threading.Thread(target=_repeat, args=(environment.rabbitmq.url, over), daemon=True)
    repeater.start()
    try:
        time.sleep(seconds)
    finally:
        over.set()
        repeater.join()


def _repeat(url: str, over: threading.Event) -> None:
    connection: Any
    with Connection(url) as connection:
        producer = connection.Producer()

        def again(message: Message) -> None:
            message.ack()
            if MARK in message.headers:
                return
            producer.publish(
                message.body,
                exchange=topology.EXCHANGE.name,
                routing_key=message.delivery_info["routing_key"],
                headers={**message.headers, MARK: "1"},
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                **{
                    name: value
                    for name, value in message.properties.items()
                    if name in {"correlation_id", "reply_to", "priority", "delivery_mode"}
                },
            )

        ears = Queue(
            "chaos.ears",
            exclusive=True,
            durable=False,
            bindings=[],
        )
        bound = ears(connection.channel())
        bound.declare()
        for lane in topology.LANES:
            bound.bind_to(exchange=topology.EXCHANGE.name, routing_key=lane)
        with Consumer(connection, queues=[bound], on_message=again, auto_declare=False):
            while not over.is_set():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)
