"""The retention rules of clients, and the daily counts of purged notifications."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from apps.common.callers import Kind

MIN_DAYS = settings.RETENTION_MIN_DAYS
MAX_DAYS = settings.RETENTION_MAX_DAYS


class RetentionRule(models.Model):
    """The retention time of a client that differs from ``RETENTION_DAYS``."""

    client = models.CharField(max_length=150, unique=True)
    days = models.PositiveIntegerField(
        validators=[MinValueValidator(MIN_DAYS), MaxValueValidator(MAX_DAYS)],
        help_text=f"Days after the last change of a notification; at least {MIN_DAYS}.",
    )
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        ordering = ["client"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(days__range=(MIN_DAYS, MAX_DAYS)), name="retention_rule_days"
            ),
        ]

    def __str__(self) -> str:
        """Return the client."""
        return self.client


class DailyCount(models.Model):
    """The number of purged notifications of one day by final status."""

    # The UTC day on which they were requested.
    day = models.DateField()
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    channel = models.CharField(max_length=5)
    template_code = models.CharField(max_length=100)
    status = models.CharField(max_length=9)
    reason = models.CharField(max_length=40, blank=True)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-day", "client", "template_code", "status"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "client", "kind", "channel", "template_code", "status", "reason"],
                name="daily_count_once",
            ),
        ]

    def __str__(self) -> str:
        """Return the day, the client, the template code and the status."""
        return f"{self.day} {self.client} {self.template_code} {self.status}"
