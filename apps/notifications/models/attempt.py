"""The attempt: one provider call."""

from typing import ClassVar

from django.db import models

from apps.common.ids import new_id
from apps.notifications.models.notification import Notification


class Attempt(models.Model):
    """One provider call and its reply; for push, the call for one device."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="attempt_rows"
    )
    # The round that this call belongs to, counted from 1.
    number = models.PositiveSmallIntegerField()
    provider = models.CharField(max_length=30)
    device_id = models.UUIDField(null=True)
    # The hash of the mail's address, as in the suppression list: a later bounce concerns this
    # address. Null for push, for attempts of older releases and after the user was erased.
    address_hash = models.CharField(max_length=64, null=True)
    # A member of ``lifecycle.outcomes.Outcome``.
    outcome = models.CharField(max_length=13)
    code = models.CharField(max_length=100, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    provider_message_id = models.CharField(max_length=255, blank=True)
    correlation_id = models.CharField(max_length=128)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        indexes: ClassVar = [
            # Read by operators who have the provider's id of a message.
            models.Index(
                fields=["provider_message_id"],
                name="attempt_provider_message",
                condition=~models.Q(provider_message_id=""),
            ),
        ]

    def __str__(self) -> str:
        """Return the round, the provider and the outcome."""
        return f"{self.number}: {self.provider} {self.outcome}"
