"""The dead letter: a failed notification, or a message that could not be processed."""

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id
from apps.notifications.lifecycle.states import UNKNOWN_OUTCOME, LetterState
from apps.notifications.models.notification import Notification


class DeadLetter(models.Model):
    """One entry of the ``failed`` queue, recorded once even if it is received several times.

    It belongs to a notification with status ``failed``, or it is a poison message: one that the
    broker or a worker dead-lettered, identified by its message id.
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
    # The notification's kind. A poison message is an incident of the installation, so it is live.
    kind = models.CharField(
        max_length=4, choices=[(kind, kind) for kind in Kind], default=Kind.LIVE
    )
    # Empty if the message does not contain it.
    channel = models.CharField(max_length=5, blank=True)
    reason = models.CharField(max_length=40)
    # Copied from the notification and its last attempt, so that a filter needs no other table.
    # Empty for a poison message; the provider is also empty if no call was made.
    template_code = models.CharField(max_length=100, blank=True, default="")
    provider = models.CharField(max_length=30, blank=True, default="")
    # The broker's ``x-death`` header, and the message as far as it can be read.
    x_death = models.JSONField(default=list)
    message = models.JSONField(default=dict)
    recorded_at = models.DateTimeField(default=timezone.now)
    # The new notification, and when the letter was settled.
    replayed_as = models.UUIDField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["reason", "-id"], name="dead_letter_reason_newest"),
            # Read by lists and by bulk replays: open letters by kind of key.
            models.Index(fields=["state", "kind", "-id"], name="dead_letter_state_newest"),
        ]

    def __str__(self) -> str:
        """Return the reason and the notification's or message's id."""
        return f"{self.reason} {self.notification_id or self.message_id}"

    @property
    def may_have_arrived(self) -> bool:
        """Whether the first copy may have arrived, so that a replay may deliver a second one."""
        return self.reason == UNKNOWN_OUTCOME

    @property
    def is_poison(self) -> bool:
        """Whether this is a dead-lettered message and not a failed notification."""
        return self.notification_id is None
