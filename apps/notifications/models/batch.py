"""A batch: notifications that were asked for together."""

from enum import StrEnum

from django.db import models
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.ids import new_id
from apps.notifications.models.digest import DigestField, OptionalDigestField


class BatchSource(StrEnum):
    """Where the notifications of a batch come from."""

    BULK = "bulk"
    BROADCAST = "broadcast"
    UPLOAD = "upload"


class BatchState(StrEnum):
    """How far the making of its notifications has come; what becomes of them is their own."""

    RECEIVING = "receiving"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class Batch(models.Model):
    """One call of ``/bulk``, ``/broadcast`` or ``/batches/upload``; its notifications name it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=[(kind, kind) for kind in Kind])
    source = models.CharField(
        max_length=9,
        choices=[(source, source) for source in BatchSource],
        default=BatchSource.BULK,
    )
    request_id = models.CharField(max_length=255, null=True)
    # What tells a repeated call from another one under its key, as ``digests`` says. Null in both
    # of the latter: stored by a release that knew no numbers, or not compared in a form.
    body_digest = DigestField()
    canonical_digest = OptionalDigestField(null=True)
    digest_form = models.PositiveSmallIntegerField(null=True)
    correlation_id = models.CharField(max_length=128, default="")
    # What every notification of a broadcast says, or how the rows of an upload are read.
    terms = models.JSONField(default=dict)
    # The answer of a bulk call, given again when the call is repeated with its key.
    answer = models.JSONField(default=dict)

    state = models.CharField(
        max_length=9, choices=[(state, state) for state in BatchState], default=BatchState.FINISHED
    )
    # Recipients or rows in all, and those that have been made into notifications, or not.
    total = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    # Everybody of the audience up to this user has had their turn.
    done_to_user_id = models.UUIDField(null=True)
    # Lanes that its notifications go by, so that it can wait while one of them is deep.
    lanes = models.JSONField(default=list)
    # How often in a row its next step failed, and what happened last, without any value of a row.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_error = models.CharField(max_length=200, default="", db_default="", blank=True)
    # How far the cancelling has come, as ``batches.cancelling`` keeps it; null while it has not
    # begun and once it has ended.
    cancelling = models.JSONField(null=True)
    # When the scheduler has to look at it; null once nothing is left to do.
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
            # Read by the scheduler: what has work left.
            models.Index(
                fields=["next_at"], name="batch_due", condition=models.Q(next_at__isnull=False)
            ),
            # Read by lists: a client's own, newest first.
            models.Index(fields=["client", "kind", "-id"], name="batch_client_newest"),
        ]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        """Name the batch by its id."""
        return str(self.id)

    @property
    def done(self) -> int:
        """Rows that have had their turn."""
        return self.accepted + self.duplicates + self.rejected


class BatchSlice(models.Model):
    """Rows of a batch that still have to be made into notifications; gone once they are.

    They are kept in the database, so that any scheduler on any machine can go on with them.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="slices")
    # The place of its first row in the batch, from 0.
    first_index = models.PositiveIntegerField()
    # One row a line, compressed with zlib.
    rows = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "first_index"], name="batch_slice_once"),
        ]

    def __str__(self) -> str:
        """Name the slice by where it begins."""
        return f"{self.batch_id} from {self.first_index}"


class BatchError(models.Model):
    """Why one row of a batch became no notification; holds no value of the row."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="errors")
    index = models.PositiveIntegerField()
    errors = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "index"], name="batch_error_once"),
        ]

    def __str__(self) -> str:
        """Name the row by its place."""
        return f"{self.batch_id} row {self.index}"
