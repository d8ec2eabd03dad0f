"""What only workers need of Celery: a consumer that loses no message at the broker.

Every other process imports the Celery application without it, and starts earlier.
"""

import logging
import time
from typing import Any, ClassVar

import billiard.pool
import structlog
from celery import bootsteps
from celery.worker import consumer as celery_consumer
from celery.worker.state import maybe_shutdown

from apps.common.masking import masked_first_line
from apps.notifications.broker import topology

log = structlog.get_logger(__name__)
logger = logging.getLogger(__name__)

# Celery's default waits are 2, 4, 6 … 30 s; shorter waits use a recovered broker sooner.
RECONNECT_STEP_SECONDS = 0.5
RECONNECT_MAX_SECONDS = 3.0

# The retry interval while a queue of another program has the name of a lane. It is below the
# heartbeat of the connection, which RabbitMQ would close otherwise.
NAME_TAKEN_PAUSE_SECONDS = 3.0

# How often a worker tells Flower that it is alive, as often as it tells the database. Nothing else
# uses these events. With Celery's 2 s they were half of what an idle worker and Flower do. Flower
# shows a killed worker as offline after twice this time, and a stopped one at once.
FLOWER_HEARTBEAT_SECONDS = 10.0


# A child process that ends waits until its parent has read its last result. A parent that is
# shutting down reads no more results, so a busy worker took 30 s to stop (300 tries of 0.1 s),
# which is the whole stop timeout of the stack. The result is not needed: the rows are recorded, and
# a message that was not acknowledged is redelivered and has nothing left to do. There is no option
# for this, so the constant is changed.
billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10


class Consumer(celery_consumer.Consumer):
    """Celery's consumer with fast reconnection; it dead-letters messages that it cannot decode."""

    class Blueprint(celery_consumer.Consumer.Blueprint):  # type: ignore[misc,valid-type] # The library is untyped.
        """Celery's steps without native delayed delivery, which would declare 28 queues."""

        default_steps: ClassVar[list[str | type[bootsteps.Step]]] = [
            step
            for step in celery_consumer.Consumer.Blueprint.default_steps
            if "delayed_delivery" not in str(step)
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        options = dict(kwargs.get("worker_options") or {})
        if options.get("heartbeat_interval") is None:
            options["heartbeat_interval"] = FLOWER_HEARTBEAT_SECONDS
        kwargs["worker_options"] = options
        super().__init__(*args, **kwargs)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Dead-letter an undecodable message by rejecting it; Celery would acknowledge it."""
        log.error("message cannot be decoded", error=type(exc).__name__)
        message.reject_log_error(logger, self.connection_errors)  # type: ignore[attr-defined] # Not in the stubs.

    def ensure_connected(self, conn: Any) -> Any:
        """Connect to the broker; retry every few seconds without a limit."""

        def on_error(error: Exception, interval: float) -> None:
            log.warning(
                "broker is unavailable", error=type(error).__name__, next_try_seconds=interval
            )

        connected = conn.ensure_connection(
            on_error,
            self.app.conf.broker_connection_max_retries,
            interval_start=RECONNECT_STEP_SECONDS,
            interval_step=RECONNECT_STEP_SECONDS,
            interval_max=RECONNECT_MAX_SECONDS,
            callback=maybe_shutdown,
        )
        while not self._declared(connected):
            time.sleep(NAME_TAKEN_PAUSE_SECONDS)
            maybe_shutdown()
        return connected

    def _declared(self, connection: Any) -> bool:
        """Declare the lanes of this worker, or log which name another program has taken.

        Celery would end the worker with a traceback.
        """
        try:
            topology.declare(connection, self.app.amqp.queues.consume_from.values())
        except topology.NameTakenError as error:
            log.error("queues were not declared", error=masked_first_line(error))  # noqa: TRY400 - the line says all.
            return False
        return True
