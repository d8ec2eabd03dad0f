"""A replay of many dead letters: what was asked for, and how far it has come."""

from enum import StrEnum

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id


class ReplayState(StrEnum):
    """Whether there is still something to do for a replay."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class DeadLetterReplay(models.Model):
    """All dead letters that match a filter, replayed at a rate by whichever scheduler has time."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    by = models.CharField(max_length=150)
    note = models.CharField(max_length=500, blank=True)
    correlation_id = models.CharField(max_length=128)
    # The kind of key that asked, which bounds what matches; empty for staff, who see both.
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
    # Letters recorded after the start are not meant: no id beyond this one.
    last_letter_id = models.UUIDField()
    # Everything up to this id has had its turn.
    done_to_id = models.UUIDField(null=True)
    # How many matched at the start.
    matched = models.PositiveIntegerField(default=0)
    replayed = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    # How often each refusal was given.
    refusals = models.JSONField(default=dict)
    # How often in a row its next step failed, and what happened last.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_error = models.CharField(max_length=200, default="", db_default="", blank=True)
    # When the rate allows the next letter.
    next_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # Read by the scheduler: what may go on now.
            models.Index(
                fields=["next_at"],
                name="dead_letter_replay_running",
                condition=models.Q(state="running"),
            ),
        ]
        verbose_name = "dead letter replay"

    def __str__(self) -> str:
        """Name the replay by its id."""
        return str(self.id)
