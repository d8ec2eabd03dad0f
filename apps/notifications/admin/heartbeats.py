"""The page of living processes."""

from django.contrib import admin

from apps.notifications.admin.reading import ReadOnlyAdmin
from apps.notifications.models import Heartbeat


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin[Heartbeat]):
    """Which process was last seen when."""

    list_display = ("name", "role", "host", "pid", "version", "queues", "seen_at")
    list_filter = ("role",)
