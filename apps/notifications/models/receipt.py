"""The receipt: a provider's later report about a message."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models.notification import Notification


class Receipt(models.Model):
    """One event reported by a provider, stored even if it changes nothing.

    Attributes:
        notification: Null while no notification fits: see ``feedback.waiting``.
        named_id: The notification that the report names, as long as none fits.
        reason: The reason of the ending, if it is not the usual one of the event.
        event_id: The provider's own id, by which a repeated delivery of the event is recognised.
        address_hash: The address that a bounce or complaint concerns, as in the suppression list.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, null=True, related_name="receipts"
    )
    named_id = models.UUIDField(null=True)
    provider = models.CharField(max_length=30)
    event = models.CharField(max_length=30)
    detail = models.CharField(max_length=500, blank=True)
    event_id = models.CharField(max_length=255, null=True)
    reason = models.CharField(max_length=40, blank=True, default="", db_default="")
    address_hash = models.CharField(max_length=64, null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="receipt_event_once"),
        ]
        indexes: ClassVar = [
            # Read to count the mails to one address that came back.
            models.Index(
                fields=["address_hash", "occurred_at"],
                name="receipt_soft_bounces",
                condition=models.Q(event="soft_bounced"),
            ),
        ]

    def __str__(self) -> str:
        """Return the provider and the event."""
        return f"{self.provider} {self.event}"
