"""The embedded mode: workers and scheduler in the web process, with only a database.

The in-memory broker loses all messages when the process ends. The rows in the database stay.
"""

import threading

import structlog
from celery import Celery
from celery.app import app_or_default
from celery.worker import WorkController

from apps.common.process_exit import at_end
from apps.notifications.broker import publisher
from apps.notifications.broker.topology import WORKER_QUEUES, is_urgent
from apps.notifications.scheduler.loop import schedule_until
from apps.notifications.scheduler.sweep import release_earlier_boots
from apps.webhooks import waker
from apps.webhooks.delivery import dispatcher

log = structlog.get_logger(__name__)

WORKER_THREADS = 4
# The urgent lanes have a separate worker, as in the distributed mode: bulk messages may occupy all
# threads of the other worker for as long as a mail server takes to reply, 45 s by default.
URGENT_THREADS = 2
# How long the process waits at exit for the sweep and the jobs.
END_SECONDS = 5.0


def start() -> None:
    """Start the workers and the sweep in threads of this process."""
    released = release_earlier_boots()
    log.info("embedded workers start", unfinished=released)
    urgent = [lane for lane in WORKER_QUEUES if is_urgent(lane)]
    others = [lane for lane in WORKER_QUEUES if not is_urgent(lane)]
    application = app_or_default()
    # The worker that is created last becomes the default of this process.
    workers = [
        _worker(
            _copy_of(application),
            "embedded-urgent",
            lanes=urgent,
            threads=URGENT_THREADS,
        ),
        _worker(application, "embedded", lanes=others, threads=WORKER_THREADS),
    ]
    publisher.local_worker_started()
    waker.local_worker_started()
    stop = threading.Event()
    sweeping = threading.Thread(target=schedule_until, args=(stop,), name="sweep", daemon=True)
    working = [
        threading.Thread(target=worker.start, name="worker", daemon=True) for worker in workers
    ]

    def end() -> None:
        """Wait for running statements. The next start finds the rows of the workers."""
        stop.set()
        dispatcher.stop_of_this_process()
        sweeping.join(END_SECONDS)

    for thread in (*working, sweeping):
        thread.start()
    dispatcher.of_this_process()
    at_end(end)


def _copy_of(application: Celery) -> Celery:
    """Create a second Celery application on the same in-memory broker.

    Celery stores the queues that a worker consumes in its application and not in the worker.
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
