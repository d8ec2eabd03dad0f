"""The endpoint: an address of a client application that events are sent to."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id

URL_MAX_LENGTH = 2048
DESCRIPTION_MAX_LENGTH = 500


class DisabledReason(StrEnum):
    """Why an endpoint gets no events."""

    BY_HAND = "by_hand"
    GONE = "gone"  # It answered 410.
    FAILING = "failing"  # Nothing but failures for days.


class Endpoint(models.Model):
    """One endpoint.

    Attributes:
        client: The client application that it belongs to.
        kind: The kind of key that registered it, live or test. It gets events of this kind only.
        events: The event types that it gets; ``["*"]`` for all of a client application.
        secret: The signing secret, encrypted; see ``secrets``.
        previous_secret: The secret before the last rotation, encrypted. It signs as well until
            ``previous_until``.
        disabled_reason: A ``DisabledReason``; empty while it is enabled.
        failures: The number of failed calls since the last success.
        failing_since: When the first of these calls failed.
        open_until: The breaker: no call is made before this time.
        request_key: The idempotency key of the call that registered it.
        request: The body of that call, if it had a key.
        deleted_at: When it was deleted. The row goes after its deliveries, which are purged in
            small steps.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    url = models.CharField(max_length=URL_MAX_LENGTH)
    events = models.JSONField(default=list)
    description = models.CharField(max_length=DESCRIPTION_MAX_LENGTH, blank=True, default="")
    secret = models.TextField()
    previous_secret = models.TextField(blank=True, default="")
    previous_until = models.DateTimeField(null=True)
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=20, blank=True, default="")
    disabled_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    open_until = models.DateTimeField(null=True)
    request_key = models.CharField(max_length=255, null=True)
    request = models.JSONField(default=dict)
    deleted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["client", "kind", "request_key"],
                name="webhooks_endpoint_request",
                condition=Q(request_key__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            # Read by lists: the endpoints of a client.
            models.Index(fields=["client", "kind", "-id"], name="webhooks_endpoint_client"),
        ]

    def __str__(self) -> str:
        """Return the id; an address may contain a secret of its owner."""
        return f"endpoint {self.pk}"

    @staticmethod
    def callable_at(now: datetime) -> Q:
        """Return the condition that an endpoint may be called now."""
        return Q(enabled=True) & (Q(open_until=None) | Q(open_until__lte=now))
