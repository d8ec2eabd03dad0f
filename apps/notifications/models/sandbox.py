"""What the sandbox provider would have sent, kept for people to look at."""

from collections.abc import Iterable
from uuid import UUID

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id

# SQLite and PostgreSQL both take this many values in one statement.
ERASE_BATCH = 500


class SandboxMessageManager(models.Manager["SandboxMessage"]):
    """Finds and erases what the sandbox kept."""

    def erase(self, notification_ids: Iterable[UUID]) -> int:
        """Delete what was kept of these notifications, and return how many messages that was."""
        ids = list(notification_ids)
        return sum(
            self.filter(notification_id__in=ids[start : start + ERASE_BATCH]).delete()[0]
            for start in range(0, len(ids), ERASE_BATCH)
        )


class SandboxMessage(models.Model):
    """One call on the sandbox: a mail or a push, taken or refused.

    ``headers`` holds a mail's headers, or a push's image, link and platform; ``data`` holds what
    the app would have got. The notification is named by its id alone: a record is evidence of a
    call, not a part of the pipeline.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification_id = models.UUIDField(db_index=True)
    channel = models.CharField(max_length=16)
    recipient = models.TextField()
    subject = models.TextField(blank=True, help_text="A mail's subject or a push's title.")
    text = models.TextField(blank=True, help_text="A mail's text or a push's body.")
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict, blank=True)
    data = models.JSONField(default=dict, blank=True)
    correlation_id = models.CharField(max_length=128, blank=True)
    outcome = models.CharField(max_length=16)
    code = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SandboxMessageManager()

    class Meta:
        ordering = ("-id",)
        verbose_name = "sandbox message"

    def __str__(self) -> str:
        """Name it without the recipient."""
        return f"{self.channel} {self.id}"

    @property
    def accepted(self) -> bool:
        """Whether it counts as sent."""
        return self.outcome == "accepted"

    @property
    def is_mail(self) -> bool:
        """Whether it is a mail and not a push."""
        return self.channel == "email"
