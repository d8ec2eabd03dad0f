"""The queues of the broker, to see what was published."""

from typing import Any

from celery import current_app

from apps.notifications.broker import publisher, topology


class Lanes:
    """The queues of the broker, RabbitMQ or the embedded one."""

    def __init__(self) -> None:
        self._connection = current_app.connection_for_write()
        topology.declare_all(self._connection)
        self.purge()

    def purge(self) -> None:
        # The publisher may still hold wake-ups accepted a moment ago, which would arrive later.
        publisher._publisher.flush(timeout_seconds=1)
        channel: Any
        with self._connection.channel() as channel:
            for name in self._names():
                channel.queue_purge(name)

    def depth(self, name: str) -> int:
        return topology.depths(self._connection)[name]

    def take(self) -> list[tuple[str, str, list[str], int]]:
        """Take every message and return its lane, task, ids and attempt."""
        found = []
        channel: Any
        with self._connection.channel() as channel:
            for name in topology.LANES:
                while (message := channel.basic_get(name, no_ack=True)) is not None:
                    ids, attempt = channel.message_to_python(message).decode()[0]
                    found.append((name, message.headers["task"], ids, attempt))
        return found

    def first(self, queue: str) -> Any:
        """Take one message from a queue, which must contain one."""
        channel: Any
        with self._connection.channel() as channel:
            return channel.message_to_python(channel.basic_get(queue, no_ack=True))

    def ids(self) -> list[str]:
        """Take every message and return the ids that they contain."""
        return [pk for _, _, ids, _ in self.take() for pk in ids]

    def fill(self, lane: str, messages: int) -> None:
        with self._connection.Producer() as producer:
            for _ in range(messages):
                producer.publish({}, exchange=topology.EXCHANGE.name, routing_key=lane)

    def close(self) -> None:
        self.purge()
        self._connection.release()

    def _names(self) -> list[str]:
        delay_queues = [f"notifications.retry.{seconds}" for seconds in topology.DELAYS_SECONDS]
        return [*topology.SHOWN_QUEUES, *delay_queues]
