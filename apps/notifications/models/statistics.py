"""Counts for the statistics: what transactions have counted, and the sums of periods."""

from typing import ClassVar

from django.db import models

from apps.common.callers import Kind
from apps.common.ids import new_id


class Counted(models.Model):
    """Counters of one client, kind, channel and template.

    Attributes:
        at: The start of the minute or period, UTC.
        counts: Counts by the names of ``statistics.counters``.
    """

    at = models.DateTimeField()
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    channel = models.CharField(max_length=5)
    template_code = models.CharField(max_length=100)
    counts = models.JSONField()

    class Meta:
        abstract = True


class StatisticsDelta(Counted):
    """What one transaction has counted in one minute. A scheduler adds it to the sums."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    def __str__(self) -> str:
        """Return the time and the client."""
        return f"{self.at} {self.client}"


class StatisticsSum(Counted):
    """The sum of a period: a minute, an hour, a day, or all time.

    The id is derived from the other columns, so that there is one row for each of them.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    # The length of the period; 0 for all time.
    seconds = models.PositiveIntegerField()

    class Meta:
        indexes: ClassVar = [
            # Read by the statistics, and by the purge.
            models.Index(fields=["seconds", "at"], name="statistics_sum_period"),
        ]

    def __str__(self) -> str:
        """Return the period, the time and the client."""
        return f"{self.seconds} s from {self.at} {self.client}"
