"""The suppression list: addresses that get no more mail."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

NOTE_MAX_LENGTH = 500


class SuppressionReason(StrEnum):
    """Why an address gets no more mail."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    SOFT_BOUNCES = "soft_bounces"
    MANUAL = "manual"


class Suppression(models.Model):
    """One suppressed address.

    Attributes:
        address_hash: SHA-256 of the address's key, so that the suppression remains after an
            erasure.
        address: The address, to show it to staff; empty after its owner was erased.
        reason: A ``SuppressionReason``. Older releases have stored other words as well.
        source: Who put it on the list: a provider, ``dsn``, ``staff:<user id>`` or a client.
            Empty for entries of older releases.
        note: What a person wrote about it.
        expires_at: After this the entry has no effect; None: it stays. Older releases ignore it.
    """

    address_hash = models.CharField(max_length=64, editable=False)
    address = models.CharField(max_length=254, blank=True, default="")
    reason = models.CharField(max_length=64)
    source = models.CharField(max_length=150, blank=True, default="", db_default="", editable=False)
    note = models.CharField(max_length=NOTE_MAX_LENGTH, blank=True, default="", db_default="")
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["address_hash"], name="users_suppression_address"),
        ]

    def __str__(self) -> str:
        """Return the row's id, because the address is personal data."""
        return f"suppression {self.pk}"

    @property
    def public_reason(self) -> SuppressionReason:
        """The reason; a word of an older release is that of a person or of a provider's refusal."""
        try:
            return SuppressionReason(self.reason)
        except ValueError:
            return SuppressionReason.MANUAL


def in_effect(now: datetime) -> Q:
    """Return the condition of entries that have not expired."""
    return Q(expires_at=None) | Q(expires_at__gt=now)
