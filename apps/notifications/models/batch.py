"""A batch: notifications that came in one call."""

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id


class Batch(models.Model):
    """One call of ``/notifications/bulk``; its notifications name it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4)
    request_id = models.CharField(max_length=255, null=True)
    body_digest = models.BinaryField(max_length=32)
    # The answer of the call, given again when the call is repeated with its key.
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "kind", "request_id"], name="batch_idempotency_key"
            ),
        ]

    def __str__(self) -> str:
        """Name the batch by its id."""
        return str(self.id)
