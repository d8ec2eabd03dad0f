"""The embedded mode: workers and scheduler in the web process, with nothing but the database.

The in-memory broker forgets everything when the process ends; the rows do not.
"""

import threading

import structlog
from celery import Celery
from celery.app import app_or_default
from celery.worker import WorkController

from apps.common.process_exit import at_end
from apps.notifications.broker import publisher
from apps.notifications.broker.topology import LANES, is_urgent
from apps.notifications.scheduler.loop import schedule_until
from apps.notifications.scheduler.sweep import release_earlier_boots

log = structlog.get_logger(__name__)

WORKER_THREADS = 4
# The urgent lanes have a worker of their own, as with servers: bulk messages may hold each thread
# of the other for as long as a mail server takes to answer, 45 s by default.
URGENT_THREADS = 2
# For so long the end of the process waits for the sweep and the jobs.
END_SECONDS = 5.0
QUEUES = tuple(LANES)


def start() -> None:
    """Start the workers and the sweep in threads of this process."""
    released = release_earlier_boots()
    log.info("embedded workers start", unfinished=released)
    urgent = [lane for lane in QUEUES if is_urgent(lane)]
    others = [lane for lane in QUEUES if not is_urgent(lane)]
    application = app_or_default()
    # The one that is made last becomes the default of this process.
    workers = [
        _worker(_beside(application), "embedded-urgent", lanes=urgent, threads=URGENT_THREADS),
        _worker(application, "embedded", lanes=others, threads=WORKER_THREADS),
    ]
    publisher.local_worker_started()
    stop = threading.Event()
    sweeping = threading.Thread(target=schedule_until, args=(stop,), name="sweep", daemon=True)
    working = [
        threading.Thread(target=worker.start, name="worker", daemon=True) for worker in workers
    ]

    def end() -> None:
        """Let the statements at hand come to their end; the worker's rows are found by a start."""
        stop.set()
        sweeping.join(END_SECONDS)

    for thread in (*working, sweeping):
        thread.start()
    at_end(end)


def _beside(application: Celery) -> Celery:
    """Make a second application on the same in-memory broker.

    Celery keeps the queues that a worker consumes with its application, not with the worker.
    """
    return type(application)(
        f"{application.main}-urgent",
        set_as_current=False,
        config_source="django.conf:settings",
        namespace="CELERY",
    )


def _worker(application: Celery, name: str, *, lanes: list[str], threads: int) -> WorkController:
    return WorkController(
        app=application,
        pool_cls="threads",
        concurrency=threads,
        hostname=f"{name}@localhost",
        queues=lanes,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        prefetch_multiplier=1,
    )
