"""The audit trail of dead letters: who did what, when and why."""

from enum import StrEnum

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models.dead_letter_replay import DeadLetterReplay


class ActionName(StrEnum):
    """What can be done about dead letters, one by one or many at once."""

    REPLAYED = "replayed"
    REFUSED = "replay_refused"
    DISCARDED = "discarded"
    RESOLVED = "resolved"
    REPLAY_STARTED = "replay_started"
    REPLAY_CANCELLED = "replay_cancelled"


class DeadLetterAction(models.Model):
    """One line of the audit trail. Lines are only ever added."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    action = models.CharField(max_length=16, choices=[(name, name) for name in ActionName])
    # A client application, ``staff:<user id>`` or ``operator`` for the command line.
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)
    # Why, in the words of whoever did it; for a refusal, in ours.
    note = models.CharField(max_length=500, blank=True)
    # No foreign key, because the trail outlives the letter. Null for an action on many.
    letter_id = models.UUIDField(null=True)
    replay = models.ForeignKey(
        DeadLetterReplay, on_delete=models.PROTECT, null=True, related_name="actions"
    )
    # The filter and the count of a replay of many; the ids that a single one led to.
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [
            # Read by the page of one dead letter.
            models.Index(fields=["letter_id", "id"], name="dead_letter_action_letter"),
        ]

    def __str__(self) -> str:
        """Name the line by who did what."""
        return f"{self.by} {self.action}"
