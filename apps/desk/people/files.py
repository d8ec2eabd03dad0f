"""People in files: read a CSV, say what it would create, create it; and write all people as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from rest_framework.exceptions import ValidationError

from apps.common.rest.problems import Problem
from apps.notifications.batches.error_columns import escaped
from apps.users import accounts
from apps.users.accounts import Editor, NewAccount
from apps.users.addresses import address_key
from apps.users.api.serializers import NewUserIn
from apps.users.models import User
from apps.users.search import users_of_addresses

COLUMNS = ("email", "name", "locale", "timezone")
EXPORTED = (
    "id",
    "email",
    "name",
    "locale",
    "timezone",
    "email_enabled",
    "push_enabled",
    "created_at",
)
# A request creates them while its sender waits: some milliseconds each.
ROWS_MAX = 5_000
BYTES_MAX = 2 * 1024**2
EXPORTED_AT_ONCE = 1_000


class UnreadableFile(Exception):  # noqa: N818 - the name says what happened; it is no program error.
    """The file is no such CSV; the message says why, with the line if there is one."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A row that creates nobody: its line, and why."""

    line: int
    said: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a file creates.

    Attributes:
        created: How many people it creates, or would create.
        known: How many of its addresses have an account already; these are not changed.
        wrong: The rows that create nobody.
        is_trial: Whether nothing was created.
    """

    created: int
    known: int
    wrong: Sequence[Wrong]
    is_trial: bool


def import_people(content: bytes, *, is_trial: bool) -> Report:
    """Create the people of a file, or only say what it would create.

    Every row is judged by the rules of ``POST /users/``, and fails or succeeds by itself.

    Args:
        content: A CSV with a header: ``email`` and ``name``, and if wanted ``locale`` and
            ``timezone``.
        is_trial: Whether to create nobody.

    Raises:
        UnreadableFile: It has no such header, too many rows, or is no CSV in UTF-8.
    """
    rows = list(_rows(content))
    known = users_of_addresses([row["email"] for _, row in rows if row.get("email")])
    seen: dict[str, int] = {}
    wrong: list[Wrong] = []
    created = there = 0
    for line, row in rows:
        key = address_key(row.get("email", ""))
        if key in known:
            there += 1
        elif key in seen:
            wrong.append(Wrong(line=line, said=f"The address is on line {seen[key]} as well."))
        else:
            seen[key] = line
            said = _created(row, is_trial=is_trial)
            created += not said
            if said:
                wrong.append(Wrong(line=line, said=said))
    return Report(created=created, known=there, wrong=wrong, is_trial=is_trial)


def _created(row: dict[str, str], *, is_trial: bool) -> str:
    """Create one person; return why that is not possible, or the empty text."""
    body = NewUserIn(data={name: value for name, value in row.items() if value})
    try:
        body.is_valid(raise_exception=True)
        new = NewAccount(**body.validated_data)
        with transaction.atomic():
            if not is_trial:
                accounts.create(new=new, editor=Editor(client=None, trusted=True))
    except ValidationError as error:
        return _words(error)
    except Problem as problem:
        return str(problem.detail)
    return ""


def _words(error: ValidationError) -> str:
    detail: Any = error.detail
    return "; ".join(f"{name}: {said[0]}" for name, said in detail.items())


def _rows(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows with their lines."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "It is not UTF-8. In Excel, save it as “CSV UTF-8”."
        raise UnreadableFile(message) from None
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        unknown = sorted(set(header) - set(COLUMNS) - {""})
        if unknown or not {"email", "name"} <= set(header):
            message = f"The first line has to name the columns: {', '.join(COLUMNS)}"
            more = f"; not {', '.join(unknown)}." if unknown else "."
            raise UnreadableFile(message + more)
        count, begin = 0, reader.line_num
        for cells in reader:
            # A row may go over several lines.
            begin, first_line = reader.line_num, begin + 1
            if not any(map(str.strip, cells)):
                continue
            count += 1
            if count > ROWS_MAX:
                message = f"It has more than {ROWS_MAX:,} rows. The API takes any number."
                raise UnreadableFile(message)
            named = zip(header, cells, strict=False)
            yield first_line, {name: cell.strip() for name, cell in named if name}
    except csv.Error as error:
        message = f"Line {reader.line_num}: {error}."
        raise UnreadableFile(message) from None


def export_people() -> Iterator[str]:
    """Yield all people as CSV, oldest first. A cell that a spreadsheet would run is escaped."""
    yield "\ufeff" + _line(EXPORTED)
    users = User.objects.filter(erased_at=None).order_by("pk")
    for user in users.values_list(*EXPORTED).iterator(chunk_size=EXPORTED_AT_ONCE):
        yield _line(["" if value is None else escaped(str(value)) for value in user])


def _line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
