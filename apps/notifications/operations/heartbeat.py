"""Service discovery: every process writes a heartbeat every 10 s, with the queues it serves.

It writes a row, and in a container also a file, whose age the health check reads.
"""

import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.notifications.broker import topology
from apps.notifications.models import Heartbeat
from apps.webhooks import subscriptions

log = structlog.get_logger(__name__)

BEAT_SECONDS = 10.0
# A process is considered running until it has missed three heartbeats.
ALIVE_FOR = timedelta(seconds=35)
# Older rows of ended processes are deleted by the first heartbeat of any process, and each hour.
FORGOTTEN_AFTER = timedelta(hours=1)


class HeartbeatThread(threading.Thread):
    """Writes the heartbeats of one process until it ends, or until ``stop`` is called.

    The database connection is closed after each heartbeat, so that a later fork cannot inherit it.
    """

    def __init__(self, *, role: str, queues: Sequence[str] = ()) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._role = role
        self._queues = list(queues)
        self._host = socket.gethostname()
        self._started_at = timezone.now()
        self._stopping = threading.Event()
        self._forget_at = 0.0

    @property
    def _row_name(self) -> str:
        return f"{self._role}@{self._host}:{os.getpid()}"

    def run(self) -> None:
        """Write heartbeats until stopped. If the database is unavailable, one heartbeat is lost."""
        while not self._stopping.is_set():
            self.touch()
            try:
                self.beat()
            except Exception as error:  # noqa: BLE001 - a heartbeat must not stop for any error.
                log.warning("heartbeat was not written", error=type(error).__name__)
            finally:
                connection.close()
            self._stopping.wait(BEAT_SECONDS)

    def touch(self) -> None:
        """Renew the file that the health check of a container reads, if there is to be one.

        The state of the database does not matter here: restarting every worker would not repair it.
        """
        if not settings.HEARTBEAT_FILE:
            return
        try:
            Path(settings.HEARTBEAT_FILE).touch()
        except OSError as error:
            log.warning("heartbeat file was not written", error=type(error).__name__)

    def beat(self) -> None:
        """Write one heartbeat, with one statement. Once an hour, delete rows of ended processes."""
        now = timezone.now()
        row = Heartbeat(
            name=self._row_name,
            role=self._role,
            host=self._host,
            pid=os.getpid(),
            version=settings.VERSION,
            queues=self._queues,
            started_at=self._started_at,
            seen_at=now,
        )
        columns = [field.name for field in Heartbeat._meta.concrete_fields if field.name != "name"]
        Heartbeat.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["name"], update_fields=columns
        )
        self._forget(now)

    def _forget(self, now: datetime) -> None:
        if time.monotonic() >= self._forget_at:
            Heartbeat.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
            self._forget_at = time.monotonic() + FORGOTTEN_AFTER.total_seconds()

    def stop(self) -> None:
        """Stop the heartbeats and delete the row and the file of this process."""
        self._stopping.set()
        if settings.HEARTBEAT_FILE:
            with suppress(OSError):
                Path(settings.HEARTBEAT_FILE).unlink(missing_ok=True)
        try:
            Heartbeat.objects.filter(name=self._row_name).delete()
        except Exception as error:  # noqa: BLE001 - stopping must work without a database.
            log.warning("heartbeat was not removed", error=type(error).__name__)
        finally:
            connection.close()


def alive() -> list[Heartbeat]:
    """Return the running processes, ordered by name."""
    return list(Heartbeat.objects.filter(seen_at__gte=timezone.now() - ALIVE_FOR))


def unserved(processes: Iterable[Heartbeat]) -> list[str]:
    """Return the queues that need a worker and have none, ordered by name.

    The queue of the webhooks needs one as soon as an endpoint is enabled: an installation of an
    earlier release has no such worker, and misses nothing until then.

    Args:
        processes: The running processes.
    """
    served = {queue for process in processes for queue in process.queues}
    missing = set(topology.WORKER_QUEUES) - served
    if topology.WEBHOOKS.name in missing and not subscriptions.any_for_notifications():
        missing.remove(topology.WEBHOOKS.name)
    return sorted(missing)


def silent() -> list[Heartbeat]:
    """Return the processes that stopped reporting within the last hour, the latest first.

    One that ends in order deletes its row, so these were killed, or cannot reach the database.
    """
    now = timezone.now()
    gone = Heartbeat.objects.filter(seen_at__lt=now - ALIVE_FOR, seen_at__gte=now - FORGOTTEN_AFTER)
    return list(gone.order_by("-seen_at"))
