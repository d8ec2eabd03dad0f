"""The audit trail of dead letters: actor, action, time and reason."""

from enum import StrEnum

from django.db import models
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.models.dead_letter_replay import DeadLetterReplay


class ActionName(StrEnum):
    """The actions on dead letters, on single ones or in bulk."""

    REPLAYED = "replayed"
    REFUSED = "replay_refused"
    DISCARDED = "discarded"
    RESOLVED = "resolved"
    REPLAY_STARTED = "replay_started"
    REPLAY_CANCELLED = "replay_cancelled"


class DeadLetterAction(models.Model):
    """One entry of the audit trail, which is append-only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    action = models.CharField(max_length=16, choices=[(name, name) for name in ActionName])
    # A client application, ``staff:<user id>`` or ``operator`` for the command line.
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)
    # The actor's reason; for a refusal, our explanation.
    note = models.CharField(max_length=500, blank=True)
    # No foreign key, because the audit trail is kept longer than the letter. Null for bulk actions.
    letter_id = models.UUIDField(null=True)
    replay = models.ForeignKey(
        DeadLetterReplay, on_delete=models.PROTECT, null=True, related_name="actions"
    )
    # The filter and the counts of a bulk replay, or the ids that a single replay created or woke.
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [
            # Read by the page of a dead letter.
            models.Index(fields=["letter_id", "id"], name="dead_letter_action_letter"),
        ]

    def __str__(self) -> str:
        """Return the actor and the action."""
        return f"{self.by} {self.action}"
