"""Read uploaded CSV (RFC 4180) and NDJSON files row by row, without the whole file in memory."""

import csv
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import IO, Any

import msgspec

from apps.common.rest.parsers import CONTROL_CHARACTER
from apps.common.rest.problems import Problem, invalid, pointer_to

ROWS_MAX = 1_000_000
ROW_MAX_BYTES = 64 * 1024
BLOCK_BYTES = 64 * 1024
BOM = b"\xef\xbb\xbf"

# The columns of a CSV file. ``variables.NAME`` and ``metadata.NAME`` are allowed as well.
COLUMNS = (
    "user_id",
    "notification_type",
    "template_code",
    "request_id",
    "priority",
    "scheduled_for",
    "expires_at",
    "language",
    "reply_to",
)
NESTED_COLUMN = re.compile(r"(?P<field>variables|metadata)((?:\.[^.]+)+)")


class FileFormat(StrEnum):
    """The format of an uploaded file."""

    CSV = "csv"
    NDJSON = "ndjson"


def rows(stream: IO[bytes], file_format: FileFormat) -> Iterator[bytes]:
    """Yield the rows of a file, each as one line of JSON: an object, or for CSV an array of cells.

    The first row of a CSV file is its header, which is checked here.

    Raises:
        Problem: 400 with the invalid line, 413 for too many rows.
    """
    found = _ndjson(stream) if file_format is FileFormat.NDJSON else _csv(stream)
    extra = 1 if file_format is FileFormat.CSV else 0
    count = 0
    for count, row in enumerate(found, start=1):
        if count > ROWS_MAX + extra:
            raise Problem(413, f"The file has more than {ROWS_MAX} rows.")
        yield row
    if count <= extra:
        raise invalid("", "empty", "The file has no rows.")


def lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines, from 1, without line feeds and without a byte order mark.

    Raises:
        Problem: 400 for a line that is too long.
    """
    rest, number = b"", 0
    while block := stream.read(BLOCK_BYTES):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            number += 1
            yield number, _bounded(line, number)
        _bounded(rest, number + 1)
    if rest:
        yield number + 1, rest.removeprefix(BOM) if number == 0 else rest


def _bounded(line: bytes, number: int) -> bytes:
    if len(line) > ROW_MAX_BYTES:
        detail = f"The line is longer than {ROW_MAX_BYTES} bytes."
        raise invalid(pointer_to("lines", number), "too_long", detail)
    return line.removeprefix(BOM) if number == 1 else line


def _ndjson(stream: IO[bytes]) -> Iterator[bytes]:
    for _, line in lines(stream):
        row = line.strip()
        if row:
            yield row


def _csv(stream: IO[bytes]) -> Iterator[bytes]:
    place = _Place()
    first = next(texts := _texts(stream, place), None)
    if first is None:
        return
    # In locales with a decimal comma, spreadsheets write semicolons as delimiters.
    delimiter = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(_chained(first, texts), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader):
            if number == 0:
                check_header(cells)
            if cells:
                yield _one_line(cells, place)
    except csv.Error as error:
        raise invalid(pointer_to("lines", place.line), "malformed_csv", f"{error}.") from None


class _Place:
    """The current position in the file, for error messages."""

    line = 0


def _texts(stream: IO[bytes], place: _Place) -> Iterator[str]:
    for number, line in lines(stream):
        place.line = number
        try:
            yield line.decode() + "\n"
        except UnicodeDecodeError:
            detail = "The line is not UTF-8."
            raise invalid(pointer_to("lines", number), "malformed_csv", detail) from None


def _chained(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _one_line(cells: list[str], place: _Place) -> bytes:
    row = msgspec.json.encode(cells)
    if len(row) > ROW_MAX_BYTES:
        detail = f"The row is longer than {ROW_MAX_BYTES} bytes."
        raise invalid(pointer_to("lines", place.line), "too_long", detail)
    return row


def check_header(cells: list[str]) -> None:
    """Refuse a header with unknown, repeated or missing columns.

    Raises:
        Problem: 400.
    """
    for name in cells:
        # The names are stored unchanged, and PostgreSQL does not accept NUL in text.
        if CONTROL_CHARACTER.search(name):
            detail = "Control characters are not allowed in the name of a column."
            raise invalid("/header", "control_character", detail)
        if name not in COLUMNS and not NESTED_COLUMN.fullmatch(name):
            detail = (
                f"There is no column {name[:50]!r}; there are {', '.join(COLUMNS)}, "
                "variables.NAME and metadata.NAME."
            )
            raise invalid("/header", "unknown_column", detail)
    if len(set(cells)) < len(cells):
        raise invalid("/header", "repeated_column", "A column is there twice.")
    if "user_id" not in cells:
        raise invalid("/header", "required", "The column user_id is missing.")


def as_fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    """Map the cells of a CSV row to their column names. An empty cell counts as absent.

    Raises:
        Problem: 400 if there are more cells than columns, or a column is both a value and a group.
    """
    if len(cells) > len(header):
        raise invalid("", "too_many_cells", f"Expected {len(header)} cells, found {len(cells)}.")
    fields: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=False):
        if not cell:
            continue
        *path, last = name.split(".")
        inner = fields
        for step in path:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                raise invalid(pointer_to(*path), "invalid", "A column is both a value and a group.")
        inner[last] = cell
    return fields
