"""The notification: one message that one user should get over one channel."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id
from apps.notifications.broker import topology
from apps.notifications.broker.topology import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models.digest import DigestField, OptionalDigestField

# An address as it goes to the wire: at most 64 characters, the sign and a domain of 253.
RECIPIENT_MAX_LENGTH = 320
# What client applications, the people they write to and their webhooks may come to know of. The
# rest is for operators alone.
VISIBLE_TO_CLIENTS = Q(recipient=None)


class Notification(models.Model):
    """One accepted notification. The row is the truth; messages on the broker only wake it.

    ``transitions.advance`` is the only writer of ``status``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    request_id = models.CharField(max_length=255, null=True)
    # What tells a repeated call from another one under its key, as ``digests`` says. Null in both
    # of the latter: stored by a release that knew no numbers, or not compared in a form.
    body_digest = DigestField()
    canonical_digest = OptionalDigestField(null=True)
    digest_form = models.PositiveSmallIntegerField(null=True)
    batch_id = models.UUIDField(null=True)
    replay_of = models.UUIDField(null=True)
    correlation_id = models.CharField(max_length=128)

    channel = models.CharField(max_length=5, choices=[(channel, channel) for channel in Channel])
    # The user may be erased while the count of what was sent stays, so this is no foreign key.
    user_id = models.UUIDField()
    # Null for everything that a client sends. A mail about an account goes to this address and not
    # to the user's, and its text is one of ``apps.templates.builtin``; empty once it has ended.
    # This tells such a mail apart, and not the name of its client, which an older key may have.
    recipient = models.CharField(max_length=RECIPIENT_MAX_LENGTH, null=True)
    template_code = models.CharField(max_length=100)
    template_version = models.PositiveIntegerField()
    template_version_id = models.UUIDField()
    language = models.CharField(max_length=35)
    # Of a sensitive template only the names: the values are in ``secret_variables``.
    variables = models.JSONField(default=dict)
    # Whether the template was sensitive when this was accepted.
    sensitive = models.BooleanField(default=False, db_default=False)
    # The values that a sensitive template is rendered with, until the notification has ended.
    secret_variables = models.JSONField(null=True)
    metadata = models.JSONField(default=dict)
    priority = models.PositiveSmallIntegerField()
    scheduled_for = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    status = models.CharField(max_length=9, choices=[(status, status) for status in Status])
    reason = models.CharField(max_length=40, default="", blank=True)
    # Rounds that reached the wire; one round to three devices is one.
    attempts = models.PositiveSmallIntegerField(default=0)
    # Leases that ended without a record: the process that held the row died.
    crashes = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    # The one clock: when somebody must next look at this row. Null once nothing is left to do.
    wake_at = models.DateTimeField(null=True)
    # How often the row was put on the broker since it last reached the wire; spreads the wakes.
    wakes = models.PositiveSmallIntegerField(default=0)
    claim_id = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)

    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "kind", "request_id"], name="notification_idempotency_key"
            ),
        ]
        indexes = [
            # Read by the sweep: what is due.
            models.Index(
                fields=["wake_at"],
                name="notification_due",
                condition=models.Q(wake_at__isnull=False),
            ),
            # Read by lists: a client's own, newest first.
            models.Index(fields=["client", "kind", "-id"], name="notification_client_newest"),
            # Read by lists for a user, and by erasure.
            models.Index(fields=["user_id", "-id"], name="notification_user_newest"),
            # Read by operators who follow one request through.
            models.Index(fields=["correlation_id"], name="notification_correlation"),
            # Read by the progress of a batch.
            models.Index(
                fields=["batch_id"],
                name="notification_batch",
                condition=models.Q(batch_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Name the notification by what it is."""
        return f"{self.channel} {self.template_code} {self.id}"

    @property
    def lane(self) -> str:
        """The lane of the broker that carries this notification."""
        return topology.lane_for(self.channel, self.priority)

    @property
    def content_variables(self) -> dict[str, Any]:
        """What the template is rendered with. Shown to nobody."""
        found: dict[str, Any] = (
            self.variables if self.secret_variables is None else self.secret_variables
        )
        return found

    @property
    def redacted(self) -> bool:
        """Whether the values are gone, so that it can no longer be sent again.

        A mail about an account is not sent again in any case: whoever wants one asks anew.
        """
        return self.recipient is not None or (self.sensitive and self.secret_variables is None)

    @property
    def visible_to_clients(self) -> bool:
        """Whether ``VISIBLE_TO_CLIENTS`` holds for this row."""
        return self.recipient is None

    @property
    def first_status(self) -> Status:
        """The status that the request was answered with."""
        return Status.SCHEDULED if self.scheduled_for else Status.PENDING
