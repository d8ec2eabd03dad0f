"""The oldest overdue notification, as metrics, health checks and notices to operators define it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.notifications.models import Notification

# If due work has not been processed for this long, the sweep or the workers are not running.
OVERDUE_SECONDS = 60.0


class Oldest(NamedTuple):
    """The oldest notification that is due: since when, and for how many seconds."""

    since: datetime
    seconds: float


def oldest_overdue() -> Oldest | None:
    """Return the oldest notification that is due, with one statement; None if none is.

    The time is the database's, by which the sweep decides what is due.
    """
    due = Notification.objects.filter(wake_at__isnull=False).order_by("wake_at")
    if connection.vendor == "sqlite":
        # SQLite uses the clock of this machine.
        since, now = due.values_list("wake_at", flat=True).first(), timezone.now()
    else:
        since, now = due.values_list("wake_at", Now()).first() or (None, timezone.now())
    if since is None or since >= now:
        return None
    return Oldest(since, (now - since) / timedelta(seconds=1))


def overdue_seconds() -> float:
    """Return for how many seconds the oldest due notification has waited; 0 if none is due."""
    oldest = oldest_overdue()
    return oldest.seconds if oldest is not None else 0.0
