"""The progress of a batch: its rows, and the statuses of its notifications."""

from collections.abc import Iterator

from django.db.models import Count
from msgspec import json

from apps.notifications.lifecycle.states import FINISHED, Status
from apps.notifications.models import Batch, BatchState, Notification


def statuses(batch: Batch) -> dict[str, int]:
    """Count the notifications of a batch by status, without statuses that do not occur.

    It reads the batch's part of an index and its rows: 0.1 s for 100,000 rows.
    """
    rows = Notification.objects.filter(batch_id=batch.pk).values_list("status")
    return dict(rows.annotate(Count("pk")).order_by("status"))


def share_done(batch: Batch, counted: dict[str, int]) -> float:
    """Return the share of rows that need no further work, 0 to 1.

    Args:
        batch: The batch.
        counted: The result of ``statuses`` for it.
    """
    if not batch.total:
        return 1.0
    ended = sum(count for status, count in counted.items() if Status(status) in FINISHED)
    # The remaining rows of a cancelled batch are never created.
    unmade = batch.total - batch.done if batch.state == BatchState.CANCELLED else 0
    return min(1.0, round((batch.duplicates + batch.rejected + ended + unmade) / batch.total, 4))


def error_lines(batch: Batch) -> Iterator[bytes]:
    """Yield the errors as NDJSON, one line per rejected row, in the order of the rows."""
    # The errors of a bulk call are in its stored answer.
    for result in batch.answer.get("results", ()):
        if result["status"] == "rejected":
            yield json.encode({"index": result["index"], "errors": result["errors"]}) + b"\n"
    errors = batch.errors.order_by("index").values_list("index", "errors")
    for index, found in errors.iterator(chunk_size=1000):
        yield json.encode({"index": index, "errors": found}) + b"\n"
