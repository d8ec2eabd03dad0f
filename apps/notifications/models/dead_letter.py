"""A dead letter: what could not be delivered, or could not even be worked on."""

from enum import StrEnum

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id
from apps.notifications.lifecycle.states import UNKNOWN_OUTCOME
from apps.notifications.models.notification import Notification


class LetterState(StrEnum):
    """What has been done about a dead letter. Only an open one waits for somebody."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    # Its notification turned out to have been sent or delivered.
    RESOLVED = "resolved"


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
    state = models.CharField(
        max_length=9,
        choices=[(state, state) for state in LetterState],
        default=LetterState.OPEN,
    )
    # As the notification's; poison is an incident of the installation and so is live.
    kind = models.CharField(
        max_length=4, choices=[(kind, kind) for kind in Kind], default=Kind.LIVE
    )
    # Empty where the message does not say.
    channel = models.CharField(max_length=5, blank=True)
    reason = models.CharField(max_length=40)
    # Copied from the notification and its last attempt, so that a filter needs no other table;
    # empty for poison, and the provider also where nothing reached the wire.
    template_code = models.CharField(max_length=100, blank=True, default="")
    provider = models.CharField(max_length=30, blank=True, default="")
    # What the broker says of the message's way here, and the message as far as it can be read.
    x_death = models.JSONField(default=list)
    message = models.JSONField(default=dict)
    recorded_at = models.DateTimeField(default=timezone.now)
    # The new notification, and when the letter ceased to be open.
    replayed_as = models.UUIDField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["reason", "-id"], name="dead_letter_reason_newest"),
            # Read by lists and by replays of many: what is open, by kind of key.
            models.Index(fields=["state", "kind", "-id"], name="dead_letter_state_newest"),
        ]

    def __str__(self) -> str:
        """Name the dead letter by why it is here."""
        return f"{self.reason} {self.notification_id or self.message_id}"

    @property
    def may_have_arrived(self) -> bool:
        """Whether a replay may make a second copy: nobody knows what became of the first."""
        return self.reason == UNKNOWN_OUTCOME

    @property
    def is_poison(self) -> bool:
        """Whether this is a message that was thrown out, and no notification that failed."""
        return self.notification_id is None
