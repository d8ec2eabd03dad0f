"""The serializers and examples of batches."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.notifications.api import examples as shown
from apps.notifications.batches import progress
from apps.notifications.models import Batch, BatchSource, BatchState

ITSELF = f"/api/v1/batches/{shown.BATCH_ID}"
LINKS = {
    "self": ITSELF,
    "notifications": f"/api/v1/notifications/?batch_id={shown.BATCH_ID}",
    "errors": f"{ITSELF}/errors",
    "pause": f"{ITSELF}/pause",
    "resume": f"{ITSELF}/resume",
    "cancel": f"{ITSELF}/cancel",
}
BROADCAST: dict[str, Any] = {
    "notification_type": "email",
    "template_code": "welcome",
    "variables": {"name": "friend", "link": "https://example.com/news/7"},
    "request_id": "newsletter-7",
    "audience": {"category": "news"},
}
STARTED: dict[str, Any] = {"batch_id": shown.BATCH_ID, "total": 1200, "links": LINKS}
STARTED_COUNTING: dict[str, Any] = {**STARTED, "total": None}
BATCH: dict[str, Any] = {
    "batch_id": shown.BATCH_ID,
    "source": "broadcast",
    "kind": "live",
    "request_id": "newsletter-7",
    "state": "running",
    "total": 1200,
    "accepted": 1000,
    "duplicates": 0,
    "rejected": 0,
    "counts": {"pending": 200, "sent": 800},
    "progress": 0.6667,
    "failures": 0,
    "last_error": None,
    "correlation_id": shown.ACCEPTED["correlation_id"],
    "created_at": "2026-11-22T12:00:00Z",
    "ended_at": None,
    "links": LINKS,
}
CSV_FILE = (
    "user_id,request_id,variables.name,variables.link\n"
    f"{shown.USER_ID},newsletter-7-ada,Ada,https://example.com\n"
)
# For a form, whose address has no parameters: the columns name what these would.
CSV_ALONE = (
    "user_id,notification_type,template_code,request_id,variables.name,variables.link\n"
    f"{shown.USER_ID},email,welcome,newsletter-7-ada,Ada,https://example.com\n"
)
ERROR_LINE = (
    '{"index": 3, "line": 5, "errors": [{"pointer": "/user_id", "code": "unknown_user", '
    '"detail": "There is no such user."}]}\n'
)
ERROR_FILE = (
    "user_id,request_id,variables.name,error.line,error.pointer,error.code,error.detail\r\n"
    "nobody,newsletter-7-ada,Ada,5,/user_id,invalid,Invalid UUID.\r\n"
)


def links_of(batch: Batch) -> dict[str, str]:
    """Return the links of a batch."""
    return {name: link.replace(shown.BATCH_ID, str(batch.pk)) for name, link in LINKS.items()}


def started_answer(batch: Batch) -> dict[str, Any]:
    """Build the response for a new batch.

    It uses only constant values, so that a repeated call gets the same response.
    """
    return {"batch_id": batch.pk, "total": batch.first_total, "links": links_of(batch)}


class BatchLinksSerializer(serializers.Serializer[Any]):
    """Links of a batch."""

    self = serializers.CharField()
    notifications = serializers.CharField()
    errors = serializers.CharField(  # type: ignore[assignment] # The name is the API's.
        help_text="The rejected rows as NDJSON; with `?format=csv`, as a file to mend."
    )
    pause = serializers.CharField()
    resume = serializers.CharField()
    cancel = serializers.CharField()


class StartedSerializer(serializers.Serializer[Any]):
    """An accepted batch."""

    batch_id = serializers.UUIDField()
    total = serializers.IntegerField(
        allow_null=True,
        help_text=(
            "Recipients or rows. Null for a broadcast to everybody or to a category, whose users "
            "are counted in the background."
        ),
    )
    links = BatchLinksSerializer()


class BatchSerializer(serializers.Serializer[Batch]):
    """The current state of a batch."""

    batch_id = serializers.UUIDField(source="id")
    source = serializers.ChoiceField(  # type: ignore[assignment] # The name is the API's.
        choices=[source.value for source in BatchSource]
    )
    kind = serializers.CharField()
    request_id = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(
        choices=[state.value for state in BatchState],
        help_text="Of making its notifications; what becomes of them is in counts.",
    )
    total = serializers.IntegerField(
        source="known_total",
        allow_null=True,
        help_text=(
            "Recipients or rows. Null while the users of a broadcast to everybody or to a category "
            "are being counted."
        ),
    )
    accepted = serializers.IntegerField(help_text="Rows made into notifications.")
    duplicates = serializers.IntegerField(help_text="Rows that repeat an earlier request_id.")
    rejected = serializers.IntegerField(help_text="Rows that became none; see links.errors.")
    counts = serializers.SerializerMethodField(help_text="Notifications by status.")
    progress = serializers.SerializerMethodField(
        help_text=(
            "The share of rows for which nothing is left to do, 0 to 1. Null until total is known."
        )
    )
    failures = serializers.IntegerField(
        help_text="How often in a row its next step failed; after eight times the rows that it "
        "failed for are rejected and the rest goes on."
    )
    last_error = serializers.SerializerMethodField(help_text="What failed last, if anything did.")
    correlation_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    links = serializers.SerializerMethodField()

    def to_representation(self, instance: Batch) -> dict[str, Any]:
        """Count the statuses once for both fields that need them."""
        self.counted = progress.statuses(instance)
        return super().to_representation(instance)

    def get_counts(self, batch: Batch) -> dict[str, int]:
        """Return its notifications by status."""
        return self.counted

    def get_progress(self, batch: Batch) -> float | None:
        """Return the share of rows that need no further work, if it is known."""
        return progress.share_done(batch, self.counted)

    def get_last_error(self, batch: Batch) -> str | None:
        """Return the last error, which contains no value of a row."""
        return batch.last_error or None

    @extend_schema_field(BatchLinksSerializer)
    def get_links(self, batch: Batch) -> dict[str, str]:
        """Return the links."""
        return links_of(batch)


class CountedBatches(serializers.ListSerializer[Any]):
    """A page of batches, whose notifications are counted with one statement."""

    def to_representation(self, data: Any) -> Any:
        """Count the statuses of the small batches."""
        child: Any = self.child
        child.counted_of = progress.statuses_of_small(data)
        return [child.to_representation(batch) for batch in data]


class ListedBatchSerializer(BatchSerializer):
    """A batch in a list."""

    counts = serializers.SerializerMethodField(
        "get_listed_counts",
        help_text="Notifications by status. Null for more than 1,000: read the batch by itself.",
    )
    progress = serializers.SerializerMethodField(
        "get_listed_progress",
        help_text="The share of rows for which nothing is left to do. Null like counts and total.",
    )
    counted_of: Mapping[UUID, dict[str, int]]

    class Meta:
        list_serializer_class = CountedBatches

    def to_representation(self, instance: Batch) -> dict[str, Any]:
        """Leave the counting to the list."""
        return super(BatchSerializer, self).to_representation(instance)

    def get_listed_counts(self, batch: Batch) -> dict[str, int] | None:
        """Return its notifications by status, if they were counted."""
        return self.counted_of.get(batch.pk)

    def get_listed_progress(self, batch: Batch) -> float | None:
        """Return the share of rows that need no further work, if it is known."""
        counted = self.counted_of.get(batch.pk)
        return None if counted is None else progress.share_done(batch, counted)
