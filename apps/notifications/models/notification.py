"""The notification: one message to one user over one channel."""

from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.common.ids import new_id
from apps.notifications.broker import topology
from apps.notifications.lifecycle.states import RARE, Status
from apps.notifications.models.digest import DigestField, OptionalDigestField

# The length of a mail address: a local part of at most 64 characters, the @ sign and a domain of at
# most 253.
RECIPIENT_MAX_LENGTH = 320
# The ``user_id`` of mails to operators, whose addresses belong to no account. No account has this
# id: ids of accounts are UUIDv7.
NOBODY = UUID(int=0)
# The metadata of a template that an author sends to try it.
TEST_SEND = "test_send"
# The notifications that client applications, their users and their webhooks may see. Only operators
# see the others.
VISIBLE_TO_CLIENTS = Q(recipient=None)


class Notification(models.Model):
    """One accepted notification. The row is authoritative; broker messages only wake a worker.

    Only ``transitions`` writes ``status``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    request_id = models.CharField(max_length=255, null=True)
    # The digests to detect a repeated call with the same key; see ``digests``. The last two columns
    # are null if the row was stored by a release without form numbers, or if the bodies are not
    # compared by a form.
    body_digest = DigestField()
    canonical_digest = OptionalDigestField(null=True)
    digest_form = models.PositiveSmallIntegerField(null=True)
    batch_id = models.UUIDField(null=True)
    replay_of = models.UUIDField(null=True)
    correlation_id = models.CharField(max_length=128)

    channel = models.CharField(max_length=5, choices=[(channel, channel) for channel in Channel])
    # No foreign key, because the row stays for the counts when the user is erased. ``NOBODY`` for a
    # mail to operators.
    user_id = models.UUIDField()
    # Null for all notifications of clients. The system's own mails, those about accounts and those
    # to operators, are sent to this address and not to the user's current one, and their text is
    # one of ``apps.templates.builtin``. Empty after the mail has ended. This column identifies such
    # a mail; the client name does not, because an older API key may have the same name.
    recipient = models.CharField(max_length=RECIPIENT_MAX_LENGTH, null=True)
    template_code = models.CharField(max_length=100)
    template_version = models.PositiveIntegerField()
    template_version_id = models.UUIDField()
    language = models.CharField(max_length=35)
    # The address to which answers to this mail go; null for the template's, or the sender's.
    reply_to = models.CharField(max_length=RECIPIENT_MAX_LENGTH, null=True)
    # For a sensitive template only the names; the values are in ``secret_variables``.
    variables = models.JSONField(default=dict)
    # Whether the template was sensitive when this was accepted.
    sensitive = models.BooleanField(default=False, db_default=False)
    # The variables of a sensitive template, kept until the notification has ended.
    secret_variables = models.JSONField(null=True)
    metadata = models.JSONField(default=dict)
    priority = models.PositiveSmallIntegerField()
    scheduled_for = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    status = models.CharField(max_length=9, choices=[(status, status) for status in Status])
    reason = models.CharField(max_length=40, default="", blank=True)
    # The number of rounds with provider calls; one round to three devices counts once.
    attempts = models.PositiveSmallIntegerField(default=0)
    # The number of leases that expired without a recorded result, because the process died.
    crashes = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    # When the sweep must next check this row. Null if nothing is left to do.
    wake_at = models.DateTimeField(null=True)
    # How often the sweep has published the row since its last attempt, for the backoff of wakes.
    wakes = models.PositiveSmallIntegerField(default=0)
    claim_id = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)

    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # The key comes first, so that operators find a request without its client. Rows without
            # a key are not in the index.
            models.UniqueConstraint(
                fields=["request_id", "client", "kind"],
                name="notification_request_key",
                condition=models.Q(request_id__isnull=False),
            ),
        ]
        indexes = [
            # Read by the sweep: due rows.
            models.Index(
                fields=["wake_at"],
                name="notification_due",
                condition=models.Q(wake_at__isnull=False),
            ),
            # Read by lists: a client's notifications, newest first.
            models.Index(fields=["client", "kind", "-id"], name="notification_client_newest"),
            # Read by lists for a user, and by erasure.
            models.Index(fields=["user_id", "-id"], name="notification_user_newest"),
            # Read by operators who trace one request.
            models.Index(fields=["correlation_id", "-id"], name="notification_trace_newest"),
            # Read by the progress and the list of a batch.
            models.Index(
                fields=["batch_id", "-id"],
                name="notification_batch_newest",
                condition=models.Q(batch_id__isnull=False),
            ),
            # Read by lists of rare statuses. It has no row that is sent at the first attempt.
            models.Index(
                fields=["status", "-id"],
                name="notification_rare_newest",
                condition=models.Q(status__in=RARE),
            ),
        ]

    def __str__(self) -> str:
        """Return the channel, the template code and the id."""
        return f"{self.channel} {self.template_code} {self.id}"

    @property
    def lane(self) -> str:
        """The broker lane of this notification."""
        return topology.lane_for(self.channel, self.priority)

    @property
    def content_variables(self) -> dict[str, Any]:
        """The variables to render the template with. They must not be displayed."""
        found: dict[str, Any] = (
            self.variables if self.secret_variables is None else self.secret_variables
        )
        return found

    @property
    def is_test(self) -> bool:
        """Whether it was sent to try something, so that it puts no address on a list."""
        return self.kind == Kind.TEST or self.metadata.get(TEST_SEND) is True

    @property
    def redacted(self) -> bool:
        """Whether the variables have been deleted, so that it cannot be replayed.

        The system's own mails are never replayed: a user requests a new one, and operators look
        at the desk.
        """
        return self.recipient is not None or (self.sensitive and self.secret_variables is None)

    @property
    def for_operators(self) -> bool:
        """Whether this is a mail to operators, which is about no account."""
        return self.user_id == NOBODY

    @property
    def visible_to_clients(self) -> bool:
        """Whether ``VISIBLE_TO_CLIENTS`` holds for this row."""
        return self.recipient is None

    @property
    def first_status(self) -> Status:
        """The status in the response to the request."""
        return Status.SCHEDULED if self.scheduled_for else Status.PENDING
