"""A dead letter: what could not be delivered, or could not even be worked on."""

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models.notification import Notification


class DeadLetter(models.Model):
    """One entry of the ``failed`` queue, recorded once however often it came.

    Either it belongs to a notification that ended in ``failed``, or it is poison: a message
    that the broker or a worker threw out, recognised by its message id.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification = models.OneToOneField(
        Notification, on_delete=models.CASCADE, null=True, related_name="dead_letter"
    )
    message_id = models.CharField(max_length=255, null=True, unique=True)
    # Empty where the message does not say.
    channel = models.CharField(max_length=5, blank=True)
    reason = models.CharField(max_length=40)
    # What the broker says of the message's way here, and the message as far as it can be read.
    x_death = models.JSONField(default=list)
    message = models.JSONField(default=dict)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["reason", "-id"], name="dead_letter_reason_newest")]

    def __str__(self) -> str:
        """Name the dead letter by why it is here."""
        return f"{self.reason} {self.notification_id or self.message_id}"
