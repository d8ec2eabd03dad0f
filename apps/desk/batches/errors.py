"""The errors of a batch: the first ones in words, and all of them as a file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.http import StreamingHttpResponse

from apps.notifications.batches import error_tables, progress
from apps.notifications.models import Batch, BatchSource

SHOWN = 20
NDJSON, CSV = "ndjson", "csv"
FORMATS: Mapping[str, tuple[Callable[[Batch], Iterator[bytes]], str]] = {
    NDJSON: (progress.error_lines, "application/x-ndjson"),
    CSV: (error_tables.csv_lines, "text/csv; charset=utf-8"),
}


@dataclass(frozen=True, kw_only=True)
class RowError:
    """Why one row became no message.

    Attributes:
        place: Where the row is, in words.
        said: What is wrong with it, as sentences. They contain no value of the row.
    """

    place: str
    said: str


def first(batch: Batch) -> Sequence[RowError]:
    """Return the first errors, in the order of the rows."""
    return list(islice(_errors(batch), SHOWN))


def download(batch: Batch, wanted: str) -> StreamingHttpResponse:
    """Return all errors as a file.

    Args:
        batch: The batch.
        wanted: One of ``FORMATS``.
    """
    lines, media_type = FORMATS[wanted]
    answer = StreamingHttpResponse(lines(batch), content_type=media_type)
    answer["Content-Disposition"] = f'attachment; filename="errors-{batch.pk}.{wanted}"'
    answer["Cache-Control"] = "private, no-store"
    return answer


def has_rows(batch: Batch, wanted: str) -> bool:
    """Return whether a file has the rows themselves besides their errors."""
    return wanted == CSV and batch.source == BatchSource.UPLOAD


def _errors(batch: Batch) -> Iterator[RowError]:
    # The errors of a bulk call are in its stored answer.
    for result in batch.answer.get("results", ()):
        if result["status"] == "rejected":
            yield RowError(place=_place(result["index"], None), said=_said(result["errors"]))
    rows = batch.errors.order_by("index").values_list("index", "line", "errors")
    for index, line, found in rows[:SHOWN]:
        yield RowError(place=_place(index, line), said=_said(found))


def _place(index: int, line: int | None) -> str:
    return f"row {index + 1:,}" if line is None else f"line {line:,}"


def _said(errors: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(
        f"{error['pointer'].strip('/').replace('/', ', ')}: {error['detail']}"
        if error.get("pointer", "").strip("/")
        else str(error["detail"])
        for error in errors
    )
