"""An API key of a client application."""

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id
from apps.users.models.external_id import CLIENT_MAX_LENGTH

NAME_MAX_LENGTH = 100


class ApiKey(models.Model):
    """One key. It is shown once and stored as SHA-256, which is enough for a 256-bit secret.

    Attributes:
        client: The client application that owns the key; it can have several keys.
        kind: Live, or test for notifications in the sandbox only.
        prefix: The first part of the key, to identify it.
        secret_hash: SHA-256 of the whole key, in hexadecimal.
        scopes: The permissions of the key, from ``apps.common.callers.Scope``.
        expires_at: The key is refused from this time on; None: never.
        last_used_at: When the key was last used, with a precision of one minute.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=NAME_MAX_LENGTH)
    client = models.CharField(max_length=CLIENT_MAX_LENGTH)
    kind = models.CharField(
        max_length=4, choices=[(kind.value, kind.value) for kind in Kind], default=Kind.LIVE
    )
    prefix = models.CharField(max_length=20, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.UniqueConstraint(fields=["prefix"], name="users_apikey_prefix"),
        ]

    def __str__(self) -> str:
        """Return the name and the prefix."""
        return f"{self.name} ({self.prefix})"
