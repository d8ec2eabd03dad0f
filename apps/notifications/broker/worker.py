"""Celery worker signal handlers: memory, queues, heartbeats, the log, connections."""

import sys
from typing import Any

import structlog
from celery import current_app, signals

from apps.common import garbage, logs
from apps.common.masking import masked_first_line
from apps.notifications.broker import topology
from apps.notifications.broker.publisher import PUBLISH_ERRORS
from apps.notifications.operations.heartbeat import HeartbeatThread
from apps.notifications.providers.registry import close_all

log = structlog.get_logger(__name__)

# The interpreter's thread switch interval: after this time the task's own thread yields to a thread
# that has received a reply. With the default of 5 ms, 5 % fewer push messages were sent, because
# each call in the 50 threads needs several switches.
POLL_SECONDS = 0.001

_heartbeats: list[HeartbeatThread] = []


@signals.celeryd_after_setup.connect
def _settle(**_: Any) -> None:
    """Settle before the child processes are forked: they share the memory that nobody reads."""
    garbage.settle()


@signals.worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    """Declare all exchanges and queues, and start the worker's heartbeat."""
    try:
        with current_app.connection_for_write() as connection:
            topology.declare_all(connection)
    except PUBLISH_ERRORS as error:
        # The consumer declares its own lanes when it reconnects.
        log.warning("queues were not declared", error=masked_first_line(error))
    # The child processes have been forked by now, so only the parent has the heartbeat's
    # connection.
    heartbeat = HeartbeatThread(role="worker", queues=sorted(sender.app.amqp.queues.consume_from))
    heartbeat.start()
    _heartbeats.append(heartbeat)


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    """Stop the heartbeat, which removes the worker from the list."""
    for heartbeat in _heartbeats:
        heartbeat.stop()


@signals.worker_process_init.connect
def _begin_process(**_: Any) -> None:
    """Shorten the thread switch interval, and buffer log lines so that they are written together.

    With a short interval, a provider's threads get the interpreter soon, even while a chunk is
    being stored. Log buffering needs a thread, and threads of the parent do not survive the fork,
    so it starts in each child process.
    """
    sys.setswitchinterval(POLL_SECONDS)
    if topology.WEBHOOKS.name in current_app.amqp.queues.consume_from:
        # Only these workers need an HTTP client, which takes 15 MB.
        from apps.webhooks.delivery import dispatcher  # noqa: PLC0415

        # What is due is delivered from the start, before any message.
        dispatcher.of_this_process()
    logs.buffer()


@signals.worker_process_shutdown.connect
def _finish(**_: Any) -> None:
    """End the calls of webhooks, close the connections to the providers, and flush the log."""
    if topology.WEBHOOKS.name in current_app.amqp.queues.consume_from:
        from apps.webhooks.delivery import dispatcher  # noqa: PLC0415

        dispatcher.stop_of_this_process()
    close_all()
    logs.flush()
