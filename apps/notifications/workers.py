"""What a Celery worker does besides its tasks: declare queues, beat, log, give connections back."""

from typing import Any

import structlog
from celery import current_app, signals

from apps.common import logs
from apps.notifications import queues
from apps.notifications.heartbeat import Heart
from apps.notifications.outbox import PUBLISH_ERRORS
from apps.notifications.providers.registry import close_all

log = structlog.get_logger(__name__)

_hearts: list[Heart] = []


@signals.worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    """Declare everything on the broker, and let the worker be found."""
    try:
        with current_app.connection_for_write() as connection:
            queues.declare_all(connection)
    except PUBLISH_ERRORS as error:
        # The consumer declares its own lanes again when it reconnects.
        log.warning("queues were not declared", error=type(error).__name__)
    # The children have been forked by now, so the heart's connection is the parent's alone.
    heart = Heart(role="worker", queues=sorted(sender.app.amqp.queues.consume_from))
    heart.start()
    _hearts.append(heart)


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    """Take the worker off the list."""
    for heart in _hearts:
        heart.stop()


@signals.worker_process_init.connect
def _gather_lines(**_: Any) -> None:
    """Write the log lines of a moment together; a thread begins behind the fork."""
    logs.gather()


@signals.worker_process_shutdown.connect
def _finish(**_: Any) -> None:
    """Say goodbye to the providers' servers, and write the last lines."""
    close_all()
    logs.flush()
