"""The batch: notifications that were requested together."""

from enum import StrEnum

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id
from apps.notifications.models.digest import DigestField, OptionalDigestField


class BatchSource(StrEnum):
    """The kind of call that created a batch."""

    BULK = "bulk"
    BROADCAST = "broadcast"
    UPLOAD = "upload"


class BatchState(StrEnum):
    """The state of creating a batch's notifications. Each notification has its own status."""

    RECEIVING = "receiving"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class Batch(models.Model):
    """One call of ``/bulk``, ``/broadcast`` or ``/batches/upload``, and its progress.

    Its notifications store its id as ``batch_id``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    source = models.CharField(
        max_length=9,
        choices=[(source, source) for source in BatchSource],
        default=BatchSource.BULK,
    )
    request_id = models.CharField(max_length=255, null=True)
    # The digests to detect a repeated call with the same key; see ``digests``. The last two columns
    # are null if the row was stored by a release without form numbers, or if the bodies are not
    # compared by a form.
    body_digest = DigestField()
    canonical_digest = OptionalDigestField(null=True)
    digest_form = models.PositiveSmallIntegerField(null=True)
    correlation_id = models.CharField(max_length=128, default="")
    # The content of a broadcast's notifications, or the header and defaults of an upload's rows.
    terms = models.JSONField(default=dict)
    # The columns of an upload for the file of its errors (``batches.error_tables``), also after the
    # terms were removed. Null for other batches, and for uploads of a release without them.
    table = models.JSONField(null=True)
    # The response body of a bulk call, returned again when the call is repeated with its key.
    answer = models.JSONField(default=dict)

    state = models.CharField(
        max_length=9, choices=[(state, state) for state in BatchState], default=BatchState.FINISHED
    )
    # The number of all recipients or rows, and of those that became notifications or did not.
    total = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    # Whether the audience of a broadcast is still being counted; ``total`` has its users up to this
    # id. An earlier release leaves both as they are when it ends a batch.
    counting = models.BooleanField(default=False, db_default=False)
    counted_to_user_id = models.UUIDField(null=True)
    # All users of the audience up to this id have been processed.
    done_to_user_id = models.UUIDField(null=True)
    # The lanes of its notifications, so that it can wait while one of them has many messages.
    lanes = models.JSONField(default=list)
    # The consecutive failures of its next step, and the last error, without any value of a row.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_error = models.CharField(max_length=200, default="", db_default="", blank=True)
    # The progress of cancelling (``batches.cancel.Progress``); null before it begins and after it
    # has ended.
    cancelling = models.JSONField(null=True)
    # When the scheduler must process it next; null if nothing is left to do.
    next_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "kind", "request_id"], name="batch_idempotency_key"
            ),
        ]
        indexes = [
            # Read by the scheduler: batches with work left.
            models.Index(
                fields=["next_at"], name="batch_due", condition=models.Q(next_at__isnull=False)
            ),
            # Read by lists: a client's batches, newest first.
            models.Index(fields=["client", "kind", "-id"], name="batch_client_newest"),
            # Read by staff who do not know the client.
            models.Index(
                fields=["request_id"],
                name="batch_request_key",
                condition=models.Q(request_id__isnull=False),
            ),
        ]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        """Return the id."""
        return str(self.id)

    @property
    def done(self) -> int:
        """The number of processed rows."""
        return self.accepted + self.duplicates + self.rejected

    @property
    def known_total(self) -> int | None:
        """The number of all recipients or rows; None while the audience is being counted.

        The rest of a batch that was cancelled before is never made and not counted.
        """
        if not self.counting:
            return self.total
        return self.done if self.state in {BatchState.FINISHED, BatchState.CANCELLED} else None

    @property
    def first_total(self) -> int | None:
        """The number that was known when the batch was accepted."""
        counted_later = self.counting or self.counted_to_user_id is not None
        return None if counted_later else self.total


class BatchSlice(models.Model):
    """Rows of a batch that are not notifications yet. The slice is deleted when they are.

    Slices are stored in the database, so that any scheduler on any machine can process them.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="slices")
    # The index of its first row in the batch, from 0.
    first_index = models.PositiveIntegerField()
    # One row per line, compressed with zlib.
    rows = models.BinaryField()
    # The lines of the file on which its rows begin, or the first of them if the others follow it
    # one by one. Null for a broadcast, and for a file that an earlier release received.
    lines = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "first_index"], name="batch_slice_once"),
        ]

    def __str__(self) -> str:
        """Return the batch's id and the first index."""
        return f"{self.batch_id} from {self.first_index}"


class BatchErrorQuerySet(models.QuerySet["BatchError"]):
    """Errors of rows."""

    def forget_rows(self) -> int:
        """Remove the rows; the errors stay. Returns the number of errors."""
        return self.update(row=None, user_id=None, kept_at=None)


class BatchError(models.Model):
    """Why one row of a batch was rejected. Its errors contain no value of the row."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="errors")
    index = models.PositiveIntegerField()
    # The line of the file on which the row begins, from 1; null as in ``BatchSlice``.
    line = models.PositiveIntegerField(null=True)
    errors = models.JSONField()
    # The row of an upload as it was stored in its slice, compressed, to be mended. It is removed
    # after a week, and when the user whom it names is erased. Null for rows that are not kept, such
    # as those of sensitive templates, and of releases that kept none.
    row = models.BinaryField(null=True)
    user_id = models.UUIDField(null=True)
    kept_at = models.DateTimeField(null=True)

    objects = BatchErrorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "index"], name="batch_error_once"),
        ]
        indexes = [
            # Read by an erasure: the rows of a user.
            models.Index(
                fields=["user_id"],
                name="batch_error_user",
                condition=models.Q(user_id__isnull=False),
            ),
            # Read by the retention: the oldest rows.
            models.Index(
                fields=["kept_at"],
                name="batch_error_kept",
                condition=models.Q(kept_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Return the batch's id and the row's index."""
        return f"{self.batch_id} row {self.index}"
