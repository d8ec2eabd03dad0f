"""The delivery: one event for one endpoint, with its attempts."""

from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id


class DeliveryState(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(models.Model):
    """One event for one endpoint. It is stored in the transaction of what it tells.

    Attributes:
        endpoint_id: No foreign key: a chunk of notifications must be recorded even if the endpoint
            is deleted at the same moment. Such a row is purged.
        event_id: The ``webhook-id``: the same for all endpoints and all attempts.
        notification_id: The notification that the event is about, if any.
        user_id: The user that the event is about, to erase it with them.
        data: The ``data`` of the body; see ``event_types``.
        occurred_at: The ``timestamp`` of the body.
        wake_at: When a worker must look at it: when it is due, or when a worker's lease ends. Null
            if nothing is left to do.
        claim_id: The worker's claim that may record a result.
        tries: The calls of the current schedule. A redelivery begins a new one.
        attempts: All calls, oldest first; see ``delivery.record``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    endpoint_id = models.UUIDField()
    event_id = models.UUIDField(default=new_id)
    event = models.CharField(max_length=60)
    notification_id = models.UUIDField(null=True)
    user_id = models.UUIDField(null=True)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=9, default=DeliveryState.PENDING)
    wake_at = models.DateTimeField(null=True)
    claim_id = models.UUIDField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    attempts = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            # Read by the log of an endpoint, and by retention.
            models.Index(fields=["endpoint_id", "-id"], name="webhooks_delivery_newest"),
            # Read by workers: what is due.
            models.Index(
                fields=["endpoint_id", "wake_at"],
                name="webhooks_delivery_due",
                condition=models.Q(wake_at__isnull=False),
            ),
            # Read by the log of what is not delivered.
            models.Index(
                fields=["endpoint_id", "state", "-id"],
                name="webhooks_delivery_undelivered",
                condition=~models.Q(state="delivered"),
            ),
            # Read by erasure.
            models.Index(
                fields=["user_id"],
                name="webhooks_delivery_user",
                condition=models.Q(user_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Return the event and the id."""
        return f"{self.event} {self.pk}"
