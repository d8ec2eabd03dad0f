"""The Celery application, and the consumer that loses nothing at the broker."""

import logging
import os
from typing import Any, ClassVar

import billiard.pool
import structlog
from celery import Celery, bootsteps, signals
from celery.worker import consumer as celery_consumer
from celery.worker.state import maybe_shutdown
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifications_project.settings")

app = Celery("notifications_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Without this, threads other than this one publish to an unconfigured application: silent loss.
app.set_default()

log = structlog.get_logger(__name__)
logger = logging.getLogger(__name__)

# Celery waits 2, 4, 6 … 30 s between connection attempts; a broker that is back should be used.
RECONNECT_STEP_SECONDS = 0.5
RECONNECT_MAX_SECONDS = 3.0


# A child that ends waits until its parent has read its last result. A parent that is shutting down
# reads no more, so a busy worker took 30 s to stop (300 tries of 0.1 s), which is all that the
# stack gives it. The result carries nothing: the rows are recorded, and a message that was not
# acknowledged comes again and finds nothing to do. There is no option, so the constant is set.
billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10


class Consumer(celery_consumer.Consumer):
    """Celery's consumer, with undecodable messages kept and reconnection quick."""

    class Blueprint(celery_consumer.Consumer.Blueprint):  # type: ignore[misc,valid-type] # Untyped there.
        """Celery's steps without native delayed delivery, which would declare 28 queues."""

        default_steps: ClassVar[list[str | type[bootsteps.Step]]] = [
            step
            for step in celery_consumer.Consumer.Blueprint.default_steps
            if "delayed_delivery" not in str(step)
        ]

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Send an undecodable message to the dead-letter exchange; Celery would acknowledge it."""
        log.error("message cannot be decoded", error=type(exc).__name__)
        message.reject_log_error(logger, self.connection_errors)  # type: ignore[attr-defined] # Not in the stubs.

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, trying again every few seconds for as long as it takes."""

        def on_error(error: Exception, interval: float) -> None:
            log.warning("broker is away", error=type(error).__name__, next_try_seconds=interval)

        return conn.ensure_connection(
            on_error,
            self.app.conf.broker_connection_max_retries,
            interval_start=RECONNECT_STEP_SECONDS,
            interval_step=RECONNECT_STEP_SECONDS,
            interval_max=RECONNECT_MAX_SECONDS,
            callback=maybe_shutdown,
        )


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Have a receiver, so that Celery leaves the logging of Django's settings alone."""


@signals.task_prerun.connect
def _replace_dead_connections(**_: Any) -> None:
    """Drop connections that died between tasks, so that the next query opens a new one."""
    close_old_connections()
