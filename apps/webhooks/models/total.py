"""Totals for the metrics, which deleting endpoints and purging deliveries do not change."""

from django.db import models


class Total(models.Model):
    """How often something happened since the installation began.

    Attributes:
        name: ``delivered``, ``attempt_failed`` or ``failed``.
    """

    name = models.CharField(max_length=30, primary_key=True)
    count = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        """Return the name and the count."""
        return f"{self.name} {self.count}"
