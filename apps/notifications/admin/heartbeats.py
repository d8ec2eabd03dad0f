"""The admin page of running processes."""

from django.contrib import admin

from apps.notifications.admin.reading import ReadOnlyAdmin
from apps.notifications.models import Heartbeat


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin[Heartbeat]):
    """The processes and the times of their last heartbeats."""

    list_display = ("name", "role", "host", "pid", "version", "queues", "seen_at")
    list_filter = ("role",)
