"""The explanation of a broadcast whose audience is too large for one answer."""

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id


class AudienceExplanation(models.Model):
    """Counts by outcome and reason, which a scheduler works out, and which are kept for a day.

    Attributes:
        id: Users that were created later than this id are excluded.
        terms: The broadcast, as it was asked.
        done_to_user_id: All users up to this id have been judged.
        total: How many those are.
        found: The counts and examples so far.
        next_at: When the next step is due; None after the last one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    correlation_id = models.CharField(max_length=128)
    terms = models.JSONField()
    done_to_user_id = models.UUIDField(null=True)
    total = models.PositiveIntegerField(default=0)
    found = models.JSONField(default=list)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # Read by the scheduler: what is due. The others are few.
            models.Index(
                fields=["next_at"],
                name="audience_explanation_due",
                condition=models.Q(next_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Return the id."""
        return str(self.pk)
