"""Read uploaded CSV (RFC 4180) and NDJSON files row by row, without the whole file in memory."""

import csv
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec

from apps.common.rest.problems import Problem, invalid, pointer_to
from apps.notifications.batches import error_columns
from apps.notifications.batches.charsets import Readable
from apps.notifications.batches.columns import header_of

ROWS_MAX = 1_000_000
ROW_MAX_BYTES = 64 * 1024
BLOCK_BYTES = 64 * 1024
BOM = b"\xef\xbb\xbf"


class FileFormat(StrEnum):
    """The format of an uploaded file."""

    CSV = "csv"
    NDJSON = "ndjson"


class FileRow(NamedTuple):
    """A row of a file.

    Attributes:
        line: The line on which it begins, from 1.
        text: One line of JSON: an object, or for CSV an array of cells.
        delimiter: What stands between the cells of a header; empty for another row.
    """

    line: int
    text: bytes
    delimiter: str = ""


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
    # In locales with a decimal comma, spreadsheets write semicolons as delimiters; Excel's "Unicode
    # text" has tabs.
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    reader = csv.reader(_chained(first, texts), delimiter=delimiter, strict=True)
    place.begin = place.line
    errors: frozenset[int] | None = None
    try:
        for raw in reader:
            cells = raw if not errors else error_columns.without(errors, raw)
            # Spreadsheets write empty rows as rows of delimiters.
            if not (cells and (cells[0].strip() or any(map(str.strip, cells)))):
                pass
            elif errors is None:
                errors = error_columns.places_of(cells)
                names = header_of(
                    error_columns.without(errors, cells), decimal_comma=delimiter == ";"
                )
                yield FileRow(place.begin, _one_line(names, place), delimiter)
            else:
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
