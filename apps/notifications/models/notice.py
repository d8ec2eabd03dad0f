"""The notice: what operators were told, and whether it is over."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.common.ids import new_id


class Notice(models.Model):
    """One episode of a condition: raised once, and over once.

    The words are not stored: ``notices.conditions`` makes them of the condition, the subject and
    the facts.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # One of ``notices.conditions.Condition``.
    condition = models.CharField(max_length=40)
    # What has the condition, such as the name of a breaker; empty if it concerns the installation.
    subject = models.CharField(max_length=200, blank=True, default="")
    # The values that the words contain.
    facts = models.JSONField(default=dict)
    # When the condition began, and when operators were told.
    since = models.DateTimeField()
    raised_at = models.DateTimeField(default=timezone.now)
    # For how long the condition must be gone until it is over, in seconds.
    calm_seconds = models.PositiveIntegerField()
    # Since when it is gone; null while it is there.
    clear_since = models.DateTimeField(null=True)
    over_at = models.DateTimeField(null=True)
    # The id of the mail that raised it, by the hash of its address. An address that is missing was
    # not told yet.
    mails = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two schedulers cannot raise the same notice. It is also the index of open notices.
            models.UniqueConstraint(
                fields=["condition", "subject"],
                name="notice_open_once",
                condition=Q(over_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        """Return the condition and its subject."""
        return f"{self.condition} {self.subject}".strip()

    @property
    def key(self) -> tuple[Any, str]:
        """The condition and its subject, of which at most one notice is open."""
        return self.condition, self.subject

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.over_at is not None
