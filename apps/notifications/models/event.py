"""The event: a status transition that neither an attempt nor a receipt records."""

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models.notification import Notification


class Event(models.Model):
    """One timeline entry: skipped, cancelled, expired, failed, crashed or postponed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=9)
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        """Return the status and the detail."""
        return f"{self.status}: {self.detail}"
