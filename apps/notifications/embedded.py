"""The embedded mode: workers and scheduler in the web process, with nothing but the database.

The in-memory broker forgets everything when the process ends; the rows do not.
"""

import threading

import structlog
from celery.app import app_or_default
from celery.worker import WorkController

from apps.common.ending import at_end
from apps.notifications import outbox
from apps.notifications.queues import LANES
from apps.notifications.scheduler import schedule_until
from apps.notifications.sweep import release_earlier_boots

log = structlog.get_logger(__name__)

WORKER_THREADS = 4
# For so long the end of the process waits for the sweep and the chores.
END_SECONDS = 5.0
QUEUES = tuple(LANES)


def start() -> None:
    """Start the worker and the sweep in threads of this process."""
    released = release_earlier_boots()
    log.info("embedded workers start", unfinished=released)
    worker = WorkController(
        app=app_or_default(),
        pool_cls="threads",
        concurrency=WORKER_THREADS,
        hostname="embedded@localhost",
        queues=list(QUEUES),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        prefetch_multiplier=1,
    )
    outbox.local_worker_started()
    stop = threading.Event()
    sweeping = threading.Thread(target=schedule_until, args=(stop,), name="sweep", daemon=True)
    working = threading.Thread(target=worker.start, name="worker", daemon=True)

    def end() -> None:
        """Let the statements at hand come to their end; the worker's rows are found by a start."""
        stop.set()
        sweeping.join(END_SECONDS)

    for thread in (working, sweeping):
        thread.start()
    at_end(end)
