"""The columns of a CSV file: their names and types in the header, and the cells of a row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import ParseError

from apps.common.rest.parsers import CONTROL_CHARACTER, decode
from apps.common.rest.problems import Problem, invalid, pointer_to

# The columns of a CSV file. ``variables.NAME`` and ``metadata.NAME`` are allowed as well, and
# ``variables:json`` and ``metadata:json`` for whole objects.
COLUMNS = (
    "user_id",
    "external_id",
    "email",
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
# Who gets the notification of a row: the first of these that it has.
RECIPIENT_COLUMNS = frozenset({"user_id", "external_id", "email"})
NESTED_COLUMN = re.compile(
    r"(?P<field>variables|metadata)(?P<path>(?:\.[^.:]+)*)(?:\s*:\s*(?P<kind>\w+))?", re.IGNORECASE
)
# No more digits than a program can read back unchanged.
NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,15})?", re.ASCII)
WHOLE = re.compile(r"[-+]?\d+", re.ASCII)
GROUPED = re.compile(r"[-+]?\d{1,3}(\.\d{3})+,\d+", re.ASCII)


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
    if not RECIPIENT_COLUMNS.intersection(names):
        detail = "The column user_id is missing, or external_id, or email."
        raise invalid("/header", "required", detail)
    return names


def _column(name: str, *, decimal_comma: bool) -> str:
    # The names are stored unchanged, and PostgreSQL does not accept NUL in text.
    if CONTROL_CHARACTER.search(name):
        detail = "Control characters are not allowed in the name of a column."
        raise invalid("/header", "control_character", detail)
    if not name or name.lower() in COLUMNS:
        return name.lower()
    nested = NESTED_COLUMN.fullmatch(name)
    if nested is None or not (nested["path"] or (nested["kind"] or "").lower() == "json"):
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
            if column.name in inner:
                detail = "A column is both a value and a group."
                raise invalid(pointer_to(*column.groups, column.name), "invalid", detail)
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
            return decode(text.encode())
        if kind == "boolean":
            return BOOLEANS[text.lower()]
        if kind == COMMA_NUMBER:
            text = _with_point(text)
        if NUMBER.fullmatch(text):
            return int(text) if WHOLE.fullmatch(text) else float(text)
    except (KeyError, ValueError, ParseError, Problem):
        pass
    raise invalid(pointer_to(*steps), f"not_a_{kind.replace(COMMA_NUMBER, 'number')}", said)


def _with_point(text: str) -> str:
    """Return a number with a decimal comma as one with a point: ``1.234,50`` as ``1234.50``."""
    if "," not in text:
        return text
    return (text.replace(".", "") if GROUPED.fullmatch(text) else text).replace(",", ".")
