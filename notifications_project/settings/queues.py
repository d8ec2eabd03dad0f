"""Celery with RabbitMQ, or with the embedded broker if no broker is configured.

Each value was measured or fixes a problem that occurred. Names and arguments of exchanges and
queues are in ``apps.notifications.broker.topology``.
"""

from typing import Any

from apps.notifications.broker import topology
from apps.notifications.providers import time_limits
from notifications_project.settings import environment, server_addresses

CELERY_BROKER_URL = server_addresses.broker_address(environment.BROKER_URL) or "memory://"

CELERY_TASK_QUEUES = [*topology.LANES.values(), topology.WEBHOOKS]
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = topology.DEFAULT_LANE
CELERY_TASK_DEFAULT_EXCHANGE = topology.EXCHANGE.name
CELERY_TASK_DEFAULT_ROUTING_KEY = topology.DEFAULT_LANE
# A worker imports these before it starts its child processes.
CELERY_IMPORTS = [
    "apps.notifications.tasks",
    "apps.webhooks.tasks",
    "apps.notifications.broker.worker",
    "notifications_project.celery_worker",
]

CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True

# A message is acknowledged after its task; if the task fails, it is sent to the dead-letter
# exchange.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = False
# One message has up to 500 notifications. Prefetched messages count towards the delivery limit.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "notifications_project.celery_worker:Consumer"
CELERY_WORKER_DETECT_QUORUM_QUEUES = not environment.EMBEDDED
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
# A soft shutdown waits for calls to providers in progress and for recording their results: up to
# 88 s if an SMTP server may take 45 s to answer the final dot. It ends when the message is done.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = time_limits.stop_seconds(
    smtp_reply_seconds=environment.SMTP_REPLY_TIMEOUT_SECONDS
)
CELERY_WORKER_MAX_TASKS_PER_CHILD = 20_000
# The provider may already have accepted the notifications of a running task, so let it finish.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# Flower needs these. docs/system_design.md describes what to set if RabbitMQ refuses transient
# queues (4.3).
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not environment.EMBEDDED
CELERY_WORKER_SEND_TASK_EVENTS = not environment.EMBEDDED

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # Without a limit; the default gives up after 100.
# In seconds; ``?heartbeat=`` in the address of the broker sets another time.
CELERY_BROKER_HEARTBEAT = server_addresses.broker_heartbeat(environment.BROKER_URL) or 10
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    # The in-memory transport polls at this interval in s; its default of 1 s gives 4 tasks/s.
    {"polling_interval": 0.01}
    if environment.EMBEDDED
    else {
        "confirm_publish": True,
        # Only these timeouts (s) limit a publish to a hanging or blocked broker; the confirm
        # timeout does not.
        "read_timeout": 2,
        "write_timeout": 2,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.2,
        "interval_max": 0.2,
    }
)
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.2,
}

# By default Celery closes the database connection around every task: 150 tasks/s instead of 1,700
# tasks/s with reuse. ``close_old_connections`` replaces broken connections.
CELERY_DB_REUSE_MAX = 1_000_000
