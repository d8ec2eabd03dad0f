"""The pages of dead letters."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.notifications.admin.reading import ReadOnlyAdmin
from apps.notifications.models import DeadLetter


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin[DeadLetter]):
    """What could not be delivered, or not even be worked on."""

    list_display = ("id", "reason", "channel", "notification_id", "recorded_at")
    list_filter = ("reason", "channel")
    ordering = ("-id",)
    fields = (
        "id",
        "reason",
        "channel",
        "notification",
        "message_id",
        "x_death",
        "message",
        "recorded_at",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Bring the notification along."""
        return super().get_queryset(request).select_related("notification")
