"""The bulk replay of dead letters: its filter and its progress."""

from enum import StrEnum

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id


class ReplayState(StrEnum):
    """The state of a bulk replay."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class DeadLetterReplay(models.Model):
    """A replay, at a given rate, of all dead letters that match a filter; run by a scheduler."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    by = models.CharField(max_length=150)
    note = models.CharField(max_length=500, blank=True)
    correlation_id = models.CharField(max_length=128)
    # The kind of the caller's key, which restricts the matches; empty for staff, who see both.
    kind = models.CharField(
        max_length=4, choices=[(kind, kind) for kind in Kind], blank=True, default=""
    )
    # The columns of ``dead_letters.filters.Filter`` that are given.
    criteria = models.JSONField(default=dict)
    rate_per_second = models.PositiveSmallIntegerField()
    state = models.CharField(
        max_length=9,
        choices=[(state, state) for state in ReplayState],
        default=ReplayState.RUNNING,
    )
    # The highest id to replay: letters recorded after the start are not included.
    last_letter_id = models.UUIDField()
    # All letters up to this id have been processed.
    done_to_id = models.UUIDField(null=True)
    # The number of matches at the start.
    matched = models.PositiveIntegerField(default=0)
    replayed = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    # The count of each refusal reason.
    refusals = models.JSONField(default=dict)
    # The consecutive failures of its next step, and the last error.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_error = models.CharField(max_length=200, default="", db_default="", blank=True)
    # When the rate allows the next letter.
    next_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # Read by the scheduler: running replays that are due.
            models.Index(
                fields=["next_at"],
                name="dead_letter_replay_running",
                condition=models.Q(state="running"),
            ),
        ]
        verbose_name = "dead letter replay"

    def __str__(self) -> str:
        """Return the id."""
        return str(self.id)
