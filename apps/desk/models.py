"""The audit trail of the desk: who did what to whom."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id


class AuditEntry(models.Model):
    """One act of a member of staff. Rows are only added: on PostgreSQL a trigger refuses the rest.

    It names people and messages by their ids, so it has no personal data and stays after an
    erasure.

    Attributes:
        actor: Who did it: ``staff:<user id>``.
        action: The act, such as ``content_read``; see ``audit.ACTIONS``.
        object_type: What it was done to, such as ``message`` or ``person``.
        object_id: The id of it.
        detail: What a reader needs besides, such as how many were replayed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=40)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    correlation_id = models.CharField(max_length=128, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "audit entries"
        # What is no right to a table: the desk's own.
        permissions: ClassVar = [("view_content", "Can read the content of messages")]
        indexes: ClassVar = [
            # Read by the page of a person or a message, and by a search for one.
            models.Index(fields=["object_id", "-id"], name="audit_object_newest"),
            models.Index(fields=["actor", "-id"], name="audit_actor_newest"),
        ]

    def __str__(self) -> str:
        """Return who did what."""
        return f"{self.actor} {self.action} {self.object_id}"
