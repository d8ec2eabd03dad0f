"""The suppression list: addresses that get no more mail."""

from django.db import models
from django.utils import timezone


class Suppression(models.Model):
    """One suppressed address.

    Attributes:
        address_hash: SHA-256 of the address's key, so that the suppression remains after an
            erasure.
        address: The address, to show it to staff; empty after its owner was erased.
        reason: ``hard_bounce``, ``complaint`` or another reason.
    """

    address_hash = models.CharField(max_length=64, editable=False)
    address = models.CharField(max_length=254, blank=True, default="")
    reason = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address_hash"], name="users_suppression_address"),
        ]

    def __str__(self) -> str:
        """Return the row's id, because the address is personal data."""
        return f"suppression {self.pk}"
