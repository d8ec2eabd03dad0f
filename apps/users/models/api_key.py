"""A client application's key."""

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id
from apps.users.models.external_id import CLIENT_MAX_LENGTH

NAME_MAX_LENGTH = 100


class ApiKey(models.Model):
    """One key. The secret is shown once and kept as its SHA-256, which is enough for 256 bits.

    Attributes:
        client: The client application that the key belongs to; several keys may share it.
        kind: Live, or test: a rehearsal in the sandbox.
        prefix: The first part of the key, to recognise it by.
        secret_hash: SHA-256 of the whole key, in hexadecimal.
        scopes: What the key may do, of ``apps.common.callers.Scope``.
        expires_at: From then on the key is refused; None: never.
        last_used_at: To the minute.
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
        """Return what the key is called and recognised by."""
        return f"{self.name} ({self.prefix})"
