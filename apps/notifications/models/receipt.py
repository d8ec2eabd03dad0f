"""The receipt: a provider's later report about a message."""

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models.notification import Notification


class Receipt(models.Model):
    """One event reported by a provider, stored even if it changes nothing."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, null=True, related_name="receipts"
    )
    provider = models.CharField(max_length=30)
    event = models.CharField(max_length=30)
    detail = models.CharField(max_length=500, blank=True)
    # The provider's own id of the event, by which a repeated delivery of it is recognised.
    event_id = models.CharField(max_length=255, null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="receipt_event_once"),
        ]

    def __str__(self) -> str:
        """Return the provider and the event."""
        return f"{self.provider} {self.event}"
