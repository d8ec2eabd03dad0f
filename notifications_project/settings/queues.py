"""Celery on RabbitMQ, and the embedded broker in its absence. Each value was measured or bitten.

Names and arguments of exchanges and queues are in ``apps.notifications.broker.topology``.
"""

from typing import Any

from apps.notifications.broker import topology
from apps.notifications.providers import time_limits
from notifications_project.settings import environment

CELERY_BROKER_URL = environment.BROKER_URL or "memory://"

CELERY_TASK_QUEUES = list(topology.LANES.values())
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = topology.DEFAULT_LANE
CELERY_TASK_DEFAULT_EXCHANGE = topology.EXCHANGE.name
CELERY_TASK_DEFAULT_ROUTING_KEY = topology.DEFAULT_LANE
CELERY_IMPORTS = ["apps.notifications.tasks", "apps.notifications.broker.worker"]

CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True

# A message is acknowledged after its work, and goes to the dead-letter exchange when it fails.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = False
# One message is up to five hundred notifications; prefetched ones count towards the delivery limit.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "notifications_project.celery:Consumer"
CELERY_WORKER_DETECT_QUORUM_QUEUES = not environment.EMBEDDED
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
# A cold shutdown waits for what is on the wire and for its record: 88 s where an SMTP server may
# take 45 s to answer the final dot. It ends as soon as the message has ended.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = time_limits.stop_seconds(
    smtp_reply_seconds=environment.SMTP_REPLY_TIMEOUT_SECONDS
)
CELERY_WORKER_MAX_TASKS_PER_CHILD = 20_000
# A message that was cancelled midway may already be with the provider: let it finish.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# Flower reads these. Where RabbitMQ refuses transient queues (4.3), docs/system_design.md says
# what to set.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not environment.EMBEDDED
CELERY_WORKER_SEND_TASK_EVENTS = not environment.EMBEDDED

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # The default gives up after a hundred.
CELERY_BROKER_HEARTBEAT = 10
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    # The in-memory transport looks for work this often; its default of 1 s gives 4 tasks/s.
    {"polling_interval": 0.01}
    if environment.EMBEDDED
    else {
        "confirm_publish": True,
        # Only these bound a publish to a frozen or blocked broker; the confirm timeout does not.
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

# Celery closes the database connection around every task unless told how often it may be used
# again: 150 against 1,700 tasks/s. Dead ones are replaced by ``close_old_connections``.
CELERY_DB_REUSE_MAX = 1_000_000
