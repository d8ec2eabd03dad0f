"""The columns of the file of an upload's errors, and the cells of its rows.

A CSV file gets its own columns. The columns of NDJSON are collected while rows are rejected, so
that a download need not read all rows before its first line.
"""

import csv
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from apps.common.rest.parsers import CONTROL_CHARACTER
from apps.notifications.batches.columns import COLUMNS, COMMA_NUMBER, TYPE_MARK
from apps.notifications.batches.error_columns import LINE, PARTS, PREFIX, REST, escaped
from apps.notifications.batches.row_reader import header_of_terms
from apps.notifications.models import Batch, BatchSource

# A byte order mark, by which Excel knows UTF-8.
MARK = b"\xef\xbb\xbf"
OBJECTS = ("variables", "metadata")
JSON = f"{TYPE_MARK}json"
# Names beyond these have no column of their own; their objects are written as a whole.
COLUMNS_MAX = 200
NAME_MAX_LENGTH = 100
NOT_IN_NAMES = frozenset(".:\t\r\n")
Table = dict[str, Any]


def new_table(header: Sequence[str] | None, *, delimiter: str | None) -> Table:
    """Return the table of an upload.

    Args:
        header: The stored header of a CSV file; None for NDJSON.
        delimiter: What stands between its cells.
    """
    if header is None:
        return {"columns": [], "rest": False}
    return {"header": list(header), "delimiter": delimiter or ","}


def table_of_terms(terms: Mapping[str, Any]) -> Table | None:
    """Return the table of an upload that an earlier release received; None if it is not known."""
    try:
        header = header_of_terms(terms)
    except KeyError:
        return None
    decimal_comma = any(name.endswith(f"{TYPE_MARK}{COMMA_NUMBER}") for name in header or ())
    return new_table(header, delimiter=";" if decimal_comma else ",")


def add_columns(table: Table | None, text: bytes) -> None:
    """Add the columns of a row of NDJSON that are not in the table yet.

    Args:
        table: The table, which is changed. That of a CSV file has its columns.
        text: The row.
    """
    if table is None or "columns" not in table:
        return
    columns: list[str] = table["columns"]
    cells, rest = _cells_of_object(msgspec.json.decode(text), columns)
    for name, value in cells.items():
        typed = name.partition(TYPE_MARK)[0] + JSON
        if name in columns:
            if name.startswith(OBJECTS) and not _is_text(value):
                columns[columns.index(name)] = typed
        elif typed not in columns:
            columns.append(name if _is_text(value) or name in COLUMNS else typed)
    table["rest"] = table["rest"] or bool(rest)


def csv_lines(batch: Batch) -> Iterator[bytes]:
    """Yield the errors of a batch as a CSV file that can be mended and uploaded again."""
    if batch.source != BatchSource.UPLOAD:
        yield from _indexed_lines(batch)
        return
    table = batch.table or {"header": [], "delimiter": ","}
    names = _sorted(table["columns"]) if "columns" in table else table["header"]
    write = _Writer(table.get("delimiter", ","))
    rest = [REST] if table.get("rest") else []
    shown = [name.replace(f"{TYPE_MARK}{COMMA_NUMBER}", f"{TYPE_MARK}number") for name in names]
    yield MARK + write([*shown, LINE, *(f"{PREFIX}{part}" for part in PARTS), *rest])
    # Rows that are rejected from now on may have columns that are not in this table.
    judged = batch.errors.filter(index__lt=batch.done)
    found = judged.order_by("index").values_list("line", "errors", "row")
    for line, errors, row in found.iterator(chunk_size=1000):
        value = None if row is None else msgspec.json.decode(zlib.decompress(bytes(row)))
        cells, beyond = _cells_of(value, names)
        place = "" if line is None else str(line)
        yield write([*cells, place, *_parts(errors), *(beyond or [""] * len(rest))])


def _indexed_lines(batch: Batch) -> Iterator[bytes]:
    """Yield the errors of a batch that has no file, with the indexes of its rows."""
    write = _Writer(",")
    yield MARK + write(["index", LINE, *(f"{PREFIX}{part}" for part in PARTS)])
    # The errors of a bulk call are in its stored answer.
    for result in batch.answer.get("results", ()):
        if result["status"] == "rejected":
            yield write([str(result["index"]), "", *_parts(result["errors"])])
    found = batch.errors.order_by("index").values_list("index", "errors")
    for index, errors in found.iterator(chunk_size=1000):
        yield write([str(index), "", *_parts(errors)])


class _Writer:
    """Writes rows of a CSV file, without formulas."""

    def __init__(self, delimiter: str) -> None:
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, delimiter=delimiter)

    def __call__(self, cells: Sequence[str]) -> bytes:
        self._writer.writerow([escaped(cell) for cell in cells])
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode()


def _parts(errors: Sequence[Mapping[str, str]]) -> list[str]:
    return ["; ".join(error[part] for error in errors) for part in PARTS]


def _cells_of(value: Any, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the cells of a row by its columns, and what has no column."""
    if isinstance(value, list):
        cells = [*value, *[""] * (len(names) - len(value))]
        return cells[: len(names)], cells[len(names) :]
    found, rest = _cells_of_object(value or {}, names)
    texts = [
        _text(found[name], name)
        if name in found
        else _text(found[plain], name)
        if (plain := name.removesuffix(JSON)) in found
        else ""
        for name in names
    ]
    return texts, [_as_json(rest)] if rest else []


def _cells_of_object(
    value: Mapping[str, Any], columns: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a row of NDJSON by column, and the fields that have no column."""
    cells: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    known = {name.partition(TYPE_MARK)[0] for name in columns}
    for field, inner in value.items():
        if field in COLUMNS:
            cells[field] = inner
        elif field not in OBJECTS:
            rest[field] = inner
        elif isinstance(inner, dict) and all(map(_is_name, inner)):
            named = {f"{field}.{name}": each for name, each in inner.items()}
            new = named.keys() - known
            if new and len(known) + len(new) > COLUMNS_MAX:
                cells[field + JSON] = inner
            else:
                cells |= named
                known |= new
        else:
            cells[field + JSON] = inner
    return cells, rest


def _is_name(key: str) -> bool:
    """Return whether a column can have the key as its name."""
    return (
        0 < len(key) <= NAME_MAX_LENGTH
        and key == key.strip()
        and NOT_IN_NAMES.isdisjoint(key)
        and not CONTROL_CHARACTER.search(key)
    )


def _is_text(value: Any) -> bool:
    """Return whether a cell without a type is read as this value; an empty one is not."""
    return isinstance(value, str) and value != ""


def _text(value: Any, column: str) -> str:
    if column.endswith(JSON):
        return _as_json(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else _as_json(value)


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _sorted(columns: Sequence[str]) -> list[str]:
    """Return columns as the document lists them, those of variables and metadata as they came."""
    plain = [name for name in COLUMNS if name in columns]
    return [
        *plain,
        *(
            name
            for field in OBJECTS
            for name in columns
            if name.startswith((f"{field}.", field + JSON))
        ),
    ]
