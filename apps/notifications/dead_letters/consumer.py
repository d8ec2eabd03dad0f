"""The consumer of the queue ``failed``. A Celery worker would execute the message again."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from kombu import Connection, Consumer, Message
from kombu.mixins import ConsumerMixin

from apps.common.ids import new_id
from apps.common.masking import masked_first_line
from apps.notifications.broker import topology
from apps.notifications.dead_letters import store
from apps.notifications.dead_letters.store import Poison

log = structlog.get_logger(__name__)

PREFETCH = 100
BODY_SHOWN_CHARACTERS = 10_000
# The retry interval while the database is unavailable; the message stays at the broker.
DATABASE_PAUSE_SECONDS = 1.0
# The retry interval while a queue of another program has one of our names. It is below the
# heartbeat of the connection, which RabbitMQ would close otherwise.
NAME_TAKEN_PAUSE_SECONDS = 3.0


class Recorder(ConsumerMixin):
    """Records each message of ``failed``. It commits first and then acknowledges.

    Attributes:
        waits_for_broker: Whether there is no connection, so that nothing is under way.
    """

    # Reconnect without a limit of tries during a broker outage.
    connect_max_retries = None

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.waits_for_broker = False

    def stop(self) -> None:
        """Stop after the current message; at once while the broker is unavailable.

        Raises:
            SystemExit: The broker is unavailable. Kombu would wait for it without a limit.
        """
        self.should_stop = True
        if self.waits_for_broker:
            raise SystemExit(0)

    def get_consumers(
        self, consumer_class: Callable[..., Consumer], channel: Any
    ) -> list[Consumer]:
        """Declare the queues and consume ``failed``. Kombu calls this on each connection."""
        while not self._declared() and not self.should_stop:
            time.sleep(NAME_TAKEN_PAUSE_SECONDS)
        self.waits_for_broker = False
        return [
            consumer_class(
                queues=[topology.FAILED],
                on_message=self.on_message,
                prefetch_count=PREFETCH,
            )
        ]

    def _declared(self) -> bool:
        """Declare all queues, or log which name is taken by a queue of another program."""
        try:
            topology.declare_all(self.connection)
        except topology.NameTakenError as error:
            log.error("queues were not declared", error=masked_first_line(error))  # noqa: TRY400 - the line says all.
            return False
        return True

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        """Log that the broker is unavailable.

        Raises:
            SystemExit: The recorder was asked to stop during the last try.
        """
        log.warning("recorder waits for the broker", error=type(exc).__name__)
        self.waits_for_broker = True
        if self.should_stop:
            self.stop()

    def on_message(self, message: Message) -> None:
        """Record one message, or requeue it while the database is unavailable."""
        try:
            close_old_connections()
            record(message)
        except DatabaseError as error:
            log.warning("recorder waits for the database", error=type(error).__name__)
            message.requeue()
            self._pause()
        else:
            message.ack()

    def _pause(self) -> None:
        """Wait for a short time and keep the connection's heartbeats running."""
        try:
            self.connection.drain_events(timeout=DATABASE_PAUSE_SECONDS)
        except TimeoutError:
            return


def record(message: Message) -> None:
    """Record a message as a failed notification or as a poison message."""
    notification_id = message.headers.get("notification_id")
    if notification_id is not None and "x-death" not in message.headers:
        try:
            store.record_failed([UUID(notification_id)])
        except (ValueError, AttributeError, TypeError):
            log.warning("a failed notification has no readable id")
        else:
            return
    store.record_poison(_poison(message))


def _poison(message: Message) -> Poison:
    headers = dict(message.headers)
    deaths = _plain(headers.pop("x-death", []))
    queue = _words(headers.get("x-first-death-queue", ""))
    message_id = (
        headers.get("id")
        or message.properties.get("message_id")
        or message.properties.get("correlation_id")
        or str(new_id())
    )
    return Poison(
        message_id=_words(message_id)[:255],
        reason=_words(headers.get("x-first-death-reason") or "unknown"),
        channel=queue.partition(".")[0] if queue in topology.LANES else "",
        x_death=deaths,
        message={
            "headers": _plain(headers),
            "content_type": _words(message.content_type),
            "body": _shown(message.body),
        },
    )


def _shown(body: Any) -> str:
    text = bytes(body).decode("utf-8", "replace") if not isinstance(body, str) else body
    return _words(text)[:BODY_SHOWN_CHARACTERS]


def _words(value: Any) -> str:
    """Convert a value to text that PostgreSQL can store: no NUL and no lone surrogates."""
    text = str(value).encode("utf-8", "replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _plain(value: Any) -> Any:
    """Convert broker values, such as times, to JSON values."""
    if isinstance(value, Mapping):
        return {_words(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int) else _words(value)


def broker_connection() -> Connection:
    """Open the recorder's own connection."""
    return Connection(settings.CELERY_BROKER_URL, heartbeat=settings.CELERY_BROKER_HEARTBEAT)
