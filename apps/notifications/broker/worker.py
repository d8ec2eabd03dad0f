"""What a Celery worker does besides its tasks: declare queues, beat, log, give connections back."""

import sys
from typing import Any

import structlog
from celery import current_app, signals

from apps.common import logs
from apps.notifications.broker import topology
from apps.notifications.broker.publisher import PUBLISH_ERRORS
from apps.notifications.operations.heartbeat import HeartbeatThread
from apps.notifications.providers.registry import close_all

log = structlog.get_logger(__name__)

# After this long the task's own thread makes way for an answer that has come. With the usual 5 ms a
# twentieth fewer push messages went out, since each call of the fifty threads needs several turns.
TURN_SECONDS = 0.001

_heartbeats: list[HeartbeatThread] = []


@signals.worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    """Declare everything on the broker, and let the worker be found."""
    try:
        with current_app.connection_for_write() as connection:
            topology.declare_all(connection)
    except PUBLISH_ERRORS as error:
        # The consumer declares its own lanes again when it reconnects.
        log.warning("queues were not declared", error=type(error).__name__)
    # The children have been forked by now, so the heartbeat's connection is the parent's alone.
    heartbeat = HeartbeatThread(role="worker", queues=sorted(sender.app.amqp.queues.consume_from))
    heartbeat.start()
    _heartbeats.append(heartbeat)


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    """Take the worker off the list."""
    for heartbeat in _heartbeats:
        heartbeat.stop()


@signals.worker_process_init.connect
def _begin_process(**_: Any) -> None:
    """Take short turns, and write the log lines of a moment together; its thread is no parent's.

    With short turns a provider's threads have the interpreter soon, also while a chunk is with the
    database.
    """
    sys.setswitchinterval(TURN_SECONDS)
    logs.gather()


@signals.worker_process_shutdown.connect
def _finish(**_: Any) -> None:
    """Say goodbye to the providers' servers, and write the last lines."""
    close_all()
    logs.flush()
