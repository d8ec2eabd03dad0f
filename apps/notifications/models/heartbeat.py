"""The heartbeat: one running process, for service discovery."""

from django.db import models
from django.utils import timezone


class Heartbeat(models.Model):
    """One process. It is considered running while ``seen_at`` is recent."""

    # Role, host and process id, which identify the process.
    name = models.CharField(max_length=200, primary_key=True)
    role = models.CharField(max_length=30)
    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=30)
    queues = models.JSONField(default=list)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        """Return the name of the process."""
        return self.name
