"""Read uploaded CSV (RFC 4180) and NDJSON files row by row, without the whole file in memory."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from apps.common.rest.parsers import CONTROL_CHARACTER
from apps.common.rest.problems import Problem, invalid, pointer_to
from apps.notifications.batches.charsets import Readable

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
# The types of columns, and what is expected in a cell of each.
KINDS = {
    "number": "Expected a number, such as 12.50.",
    "boolean": "Expected true, false, yes, no, 1 or 0.",
    "json": "Expected JSON.",
}
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# What is removed around the name of a column and around a key. Python would also remove control
# characters, which are refused.
BLANKS = " \t\r\n\xa0"
# Between the name of a column and its type.
TYPE_MARK = ":"
# A number of a file with semicolons; it is stored in the header and never written in a file.
COMMA_NUMBER = "comma_number"
NESTED_COLUMN = re.compile(
    r"(?P<field>variables|metadata)(?P<path>(?:\.[^.:]+)+)(?:\s*:\s*(?P<kind>\w+))?", re.IGNORECASE
)
# No more digits than a program can read back unchanged.
NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,15})?", re.ASCII)
WHOLE = re.compile(r"[-+]?\d+", re.ASCII)
GROUPED = re.compile(r"[-+]?\d{1,3}(\.\d{3})+,\d+", re.ASCII)


class FileFormat(StrEnum):
    """The format of an uploaded file."""

    CSV = "csv"
    NDJSON = "ndjson"


class FileRow(NamedTuple):
    """A row of a file.

    Attributes:
        line: The line on which it begins, from 1.
        text: One line of JSON: an object, or for CSV an array of cells.
    """

    line: int
    text: bytes


def rows(stream: Readable, file_format: FileFormat) -> Iterator[FileRow]:
    """Yield the rows of a file.

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


def lines(stream: Readable) -> Iterator[tuple[int, bytes]]:
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


def _ndjson(stream: Readable) -> Iterator[FileRow]:
    is_first = True
    for number, line in lines(stream):
        row = line.strip()
        if row:
            if is_first:
                _refuse_other_json(row, number)
            is_first = False
            yield FileRow(number, row)


def _refuse_other_json(row: bytes, number: int) -> None:
    """Refuse a file that is one JSON array, or whose objects go over several lines.

    Raises:
        Problem: 400.
    """
    if row.startswith(b"["):
        detail = (
            "The file is one JSON array. Write each object on a line of its own, without commas."
        )
    elif row.startswith(b"{") and not row.endswith((b"}", b"},")):
        detail = "The object does not end on its line. Write each object on one line."
    else:
        return
    raise invalid(pointer_to("lines", number), "not_ndjson", detail)


def _csv(stream: Readable) -> Iterator[FileRow]:
    place = _Place()
    first = next(texts := _texts(stream, place), None)
    if first is None:
        return
    # In locales with a decimal comma, spreadsheets write semicolons as delimiters.
    delimiter = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(_chained(first, texts), delimiter=delimiter, strict=True)
    place.begin = place.line
    is_header = True
    try:
        for cells in reader:
            # Spreadsheets write empty rows as rows of delimiters.
            if cells and (cells[0].strip() or any(map(str.strip, cells))):
                if is_header:
                    cells = header_of(cells, decimal_comma=delimiter == ";")  # noqa: PLW2901 - the names.
                is_header = False
                yield FileRow(place.begin, _one_line(cells, place))
            place.begin = place.line + 1
    except csv.Error as error:
        raise _malformed(error, place) from None


def _malformed(error: csv.Error, place: "_Place") -> Problem:
    """Return the problem of a row that is no CSV, at the line on which it begins."""
    # A quotation mark that is not closed takes in the rest of the file.
    if place.begin < place.line or "unexpected end" in str(error):
        detail = "A quotation mark opens in this row and is not closed."
        return invalid(pointer_to("lines", place.begin), "malformed_csv", detail)
    return invalid(pointer_to("lines", place.line), "malformed_csv", f"{error}.")


class _Place:
    """The current position in the file, for error messages.

    Attributes:
        line: The line that was read last.
        begin: The line on which the row begins.
    """

    line = 0
    begin = 0


def _texts(stream: Readable, place: _Place) -> Iterator[str]:
    for number, line in lines(stream):
        place.line = number
        try:
            yield line.decode() + "\n"
        except UnicodeDecodeError:
            detail = (
                "The line is not UTF-8. In Excel, save as 'CSV UTF-8'; in Google Sheets, download "
                "as CSV. Or name the encoding: Content-Type: text/csv; charset=windows-1252."
            )
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


def header_of(cells: list[str], *, decimal_comma: bool) -> list[str]:
    """Return the names of columns as they are stored.

    Blanks around a name and upper case do not count. A column without a name is the empty text.

    Args:
        cells: The first row of a file.
        decimal_comma: Whether the file has semicolons, so that its numbers have decimal commas.

    Raises:
        Problem: 400 for a header with unknown, repeated or missing columns.
    """
    names = [_column(cell.strip(BLANKS), decimal_comma=decimal_comma) for cell in cells]
    seen: set[str] = set()
    for name in filter(None, names):
        path = name.partition(TYPE_MARK)[0]
        if path in seen:
            raise invalid("/header", "repeated_column", f"The column {path!r} is there twice.")
        seen.add(path)
    if "user_id" not in names:
        raise invalid("/header", "required", "The column user_id is missing.")
    return names


def _column(name: str, *, decimal_comma: bool) -> str:
    # The names are stored unchanged, and PostgreSQL does not accept NUL in text.
    if CONTROL_CHARACTER.search(name):
        detail = "Control characters are not allowed in the name of a column."
        raise invalid("/header", "control_character", detail)
    if not name or name.lower() in COLUMNS:
        return name.lower()
    nested = NESTED_COLUMN.fullmatch(name)
    if nested is None:
        detail = (
            f"There is no column {name[:50]!r}; there are {', '.join(COLUMNS)}, "
            "variables.NAME and metadata.NAME."
        )
        raise invalid("/header", "unknown_column", detail)
    kind = (nested["kind"] or "").lower()
    if kind and kind not in KINDS:
        detail = f"The column {name[:50]!r} is of no known type; there are {', '.join(KINDS)}."
        raise invalid("/header", "unknown_type", detail)
    if kind == "number" and decimal_comma:
        kind = COMMA_NUMBER
    return f"{nested['field'].lower()}{nested['path'].rstrip()}{TYPE_MARK + kind if kind else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a file.

    Attributes:
        groups: The objects in which the value stands, outermost first.
        name: The key of the value in the innermost of them; empty for a column without a name.
        kind: The type of its cells; empty for text.
        keeps_blanks: Whether blanks around a cell may be meant. In a key they are not.
    """

    groups: tuple[str, ...]
    name: str
    kind: str
    keeps_blanks: bool


def columns_of(header: Sequence[str]) -> list[Column]:
    """Return the columns of a stored header."""
    columns = []
    for text in header:
        name, _, kind = text.rpartition(TYPE_MARK)
        if kind not in {*KINDS, COMMA_NUMBER}:
            # Without a type; in a file of an earlier release the mark was a part of the name.
            name, kind = text, ""
        *groups, last = name.split(".")
        columns.append(
            Column(
                groups=tuple(groups),
                name=last,
                kind=kind,
                keeps_blanks=bool(groups) and not kind,
            )
        )
    return columns


def as_fields(columns: Sequence[Column], cells: list[str]) -> dict[str, Any]:
    """Map the cells of a CSV row to their columns. An empty cell counts as absent.

    Raises:
        Problem: 400 if there are more cells than columns, a cell is not of its column's type, or a
            column is both a value and a group.
    """
    if len(cells) > len(columns) and any(map(str.strip, cells[len(columns) :])):
        raise invalid("", "too_many_cells", f"Expected {len(columns)} cells, found {len(cells)}.")
    fields: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=False):
        text = cell if column.keeps_blanks else cell.strip(BLANKS)
        if not text:
            continue
        inner = fields
        for step in column.groups:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                detail = "A column is both a value and a group."
                raise invalid(pointer_to(*column.groups), "invalid", detail)
        if column.kind:
            inner[column.name] = typed(text, column.kind, *column.groups, column.name)
        elif column.name:
            inner[column.name] = text
        else:
            raise invalid("", "too_many_cells", "There is a value in a column without a name.")
    return fields


def typed(text: str, kind: str, *steps: str) -> Any:
    """Convert a cell of a typed column.

    Raises:
        Problem: 400 with a pointer to the column.
    """
    said = KINDS.get(kind) or KINDS["number"]
    try:
        if kind == "json":
            return msgspec.json.decode(text)
        if kind == "boolean":
            return BOOLEANS[text.lower()]
        if kind == COMMA_NUMBER:
            text = _with_point(text)
        if NUMBER.fullmatch(text):
            return int(text) if WHOLE.fullmatch(text) else float(text)
    except (KeyError, ValueError):
        pass
    raise invalid(pointer_to(*steps), f"not_a_{kind.replace(COMMA_NUMBER, 'number')}", said)


def _with_point(text: str) -> str:
    """Return a number with a decimal comma as one with a point: ``1.234,50`` as ``1234.50``."""
    if "," not in text:
        return text
    return (text.replace(".", "") if GROUPED.fullmatch(text) else text).replace(",", ".")
