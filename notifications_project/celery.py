"""The Celery application."""

import os
from typing import Any

from celery import Celery, signals
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifications_project.settings")

# A worker would run Django's checks at its start and ignore what they report. They import all URLs
# and the admin, which no worker uses: 0.4 s at its start, and 20 MB while it runs.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("notifications_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Without this, other threads publish to an unconfigured application and messages are lost silently.
app.set_default()


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Do nothing. With a receiver, Celery does not change the logging of Django's settings."""


@signals.task_prerun.connect
def _replace_dead_connections(**_: Any) -> None:
    """Close connections that broke between tasks, so that the next query opens a new one."""
    close_old_connections()
