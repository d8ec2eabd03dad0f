"""The messages that the sandbox provider would have sent, stored for display."""

from collections.abc import Iterable
from uuid import UUID

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id

# Both SQLite and PostgreSQL accept this many values in one statement.
ERASE_BATCH = 500


class SandboxMessageManager(models.Manager["SandboxMessage"]):
    """The manager of sandbox messages, with erasure by notification."""

    def erase(self, notification_ids: Iterable[UUID]) -> int:
        """Delete the messages of these notifications, and return the number of messages."""
        ids = list(notification_ids)
        return sum(
            self.filter(notification_id__in=ids[start : start + ERASE_BATCH]).delete()[0]
            for start in range(0, len(ids), ERASE_BATCH)
        )


class SandboxMessage(models.Model):
    """One sandbox call: a mail or a push, accepted or refused.

    ``headers`` contains a mail's headers, or a push's image, link and platform. ``data`` contains
    the data that the app would have received. The notification is stored by its id only and not as
    a foreign key, because the record is a log of a call and not part of the pipeline.
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
        """Return the channel and the id, without the recipient."""
        return f"{self.channel} {self.id}"

    @property
    def accepted(self) -> bool:
        """Whether the sandbox accepted the message."""
        return self.outcome == "accepted"

    @property
    def is_mail(self) -> bool:
        """Whether it is a mail and not a push."""
        return self.channel == "email"
