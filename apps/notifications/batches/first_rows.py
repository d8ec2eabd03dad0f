"""Render the first rows of a file before it is taken.

If none of them can be rendered, neither can the others, and the author of the file should learn it
now and not from a million errors.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from apps.common.rest.problems import FieldError, Problem, pointer_to
from apps.notifications.batches.columns import COMMA_NUMBER, Column, typed
from apps.notifications.batches.file_rows import FileRow
from apps.notifications.batches.row_reader import RowReader
from apps.notifications.intake.requests import SendRequest
from apps.templates import rendering
from apps.users import contacts

FIRST_ROWS = 20
# The types that are tried for columns without one, and how they are written.
TRIED = {
    "number": "number",
    COMMA_NUMBER: "number in a file with semicolons",
    "boolean": "boolean",
}


def check_first_rows(rows: Sequence[FileRow], reader: RowReader) -> None:
    """Refuse a file if each of its first rows that is a request cannot be rendered.

    Raises:
        Problem: 422 with an error for each row, and a type for its columns where that helps; 403
            if a row names its recipient in a way that needs another scope.
    """
    errors: list[FieldError] = []
    reader.look_up([row.text for row in rows])
    read = [reader.read(row.text) for row in rows]
    for one in read:
        if isinstance(one, Problem) and one.status_code == HTTPStatus.FORBIDDEN:
            raise one
    locales = contacts.known_locales(one.user_id for one in read if isinstance(one, SendRequest))
    for index, (row, one) in enumerate(zip(rows, read, strict=True)):
        if not isinstance(one, SendRequest):
            continue
        trial = _Trial(asked=one, locale=locales.get(one.user_id))
        problem = trial.problem_with(one.variables)
        if problem is None:
            return
        detail = f"Row {index}, line {row.line}: {problem}"
        if reader.columns is not None:
            detail += trial.proposal(reader.columns)
        errors.append(
            FieldError(pointer=pointer_to("lines", row.line), code="render_failed", detail=detail)
        )
    if errors:
        detail = f"None of the first {len(errors)} rows can be rendered."
        raise Problem(422, detail, code="render_failed", errors=errors)


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """A row that is rendered as it would be sent, with its own or with converted variables."""

    asked: SendRequest
    locale: str | None

    def problem_with(self, variables: Mapping[str, Any]) -> str | None:
        """Return why it cannot be rendered; None if it can, or if its template does not exist."""
        asked = self.asked
        try:
            pinned = rendering.pin(asked.template_code, language=asked.language, locale=self.locale)
            if pinned.channel == asked.notification_type:
                rendering.render(pinned.version_id, variables)
        except rendering.UnknownTemplate:
            return None
        except rendering.RenderError as error:
            return str(error)
        return None

    def proposal(self, columns: Sequence[Column]) -> str:
        """Return the types of columns with which it can be rendered; empty if there are none."""
        asked = self.asked
        untyped = [one for one in columns if one.groups[:1] == ("variables",) and not one.kind]
        for kind, said in TRIED.items():
            cells = {
                one: value for one in untyped if (value := _value(asked, one, kind)) is not None
            }
            converted = _with(asked.variables, cells)
            if not cells or self.problem_with(converted) is not None:
                continue
            needed = [
                one
                for one in cells
                if self.problem_with(_with(converted, {one: _text(asked, one)})) is not None
            ]
            names = (f"{'.'.join([*one.groups, one.name])}:{said}" for one in needed or cells)
            return f" (try {', '.join(names)})"
        return ""


def _text(asked: SendRequest, column: Column) -> Any:
    value: Any = asked.variables
    for step in (*column.groups[1:], column.name):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _value(asked: SendRequest, column: Column, kind: str) -> Any:
    """Return a cell as a value of a type; None if it is not of this type."""
    text = _text(asked, column)
    if not isinstance(text, str):
        return None
    try:
        return typed(text.strip(), kind)
    except Problem:
        return None


def _with(variables: Mapping[str, Any], values: Mapping[Column, Any]) -> dict[str, Any]:
    """Return a copy of variables with other values of some columns."""
    copied: dict[str, Any] = deepcopy(dict(variables))
    for column, value in values.items():
        inner = copied
        for step in column.groups[1:]:
            inner = inner[step]
        inner[column.name] = value
    return copied
