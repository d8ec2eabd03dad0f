"""Read the rows of a batch's next slice: users of an audience, or lines of a file."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import transaction
from rest_framework.exceptions import ParseError

from apps.common.failure_isolation import FAILURES_MAX, affects_all, name_of
from apps.common.rest.parsers import CONTROL_CHARACTER, decode, places
from apps.common.rest.problems import Problem, invalid, pointer_to
from apps.notifications.batches import slices
from apps.notifications.batches.columns import Column, as_fields, columns_of
from apps.notifications.batches.recipients import NAMES, Recipients
from apps.notifications.intake import requests
from apps.notifications.intake.requests import BroadcastRequest, SendRequest
from apps.notifications.models import Batch, BatchSource
from apps.users import contacts

log = structlog.get_logger(__name__)


# A pointer contains field names as the client wrote them, and PostgreSQL cannot store NUL.
CONTROL_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)}


CREATION_FAILED = "could_not_be_made"


Row = SendRequest | Problem


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """One valid row.

    Attributes:
        index: Its position in the batch, from 0.
        row_id: The id that its notification will have.
        request: The request.
    """

    index: int
    row_id: UUID
    request: SendRequest


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The next rows of a batch.

    Attributes:
        rows: The requests, each replaced by its error if it is invalid.
        names: A name for each row that is unique in the batch, to derive its id.
        lines: The lines of the file on which the rows begin; none if they are of no file.
        last: Whether these are the last rows.
    """

    rows: Sequence[Row]
    names: Sequence[str]
    last: bool
    lines: Sequence[int] = ()


def given_up(batch: Batch, index: int, error: Exception) -> Problem:
    """Log that a row was given up, and return the error for it."""
    log.error(
        "a row of a batch was given up",
        batch_id=str(batch.pk),
        index=index,
        exc_info=error,
    )
    batch.last_error = name_of(error)[:200]
    detail = f"This row could not be made in {FAILURES_MAX} tries: {name_of(error)}."
    return Problem(500, detail, code=CREATION_FAILED)


def errors_of(problem: Problem) -> list[dict[str, str]]:
    """Return the errors of a row for storage, without its values."""
    if problem.errors:
        return [
            {**asdict(error), "pointer": error.pointer.translate(CONTROL_ESCAPES)}
            for error in problem.errors
        ]
    return [{"pointer": "", "code": problem.problem_code, "detail": str(problem.detail)}]


def walks(batch: Batch) -> bool:
    """Return whether the recipients are found by iterating over the users."""
    return batch.source == BatchSource.BROADCAST and not batch.terms["by_name"]


def next_piece(batch: Batch, *, last_try: bool) -> tuple[Piece, bool]:
    """Return the next rows, and remove them from the batch.

    Args:
        batch: The batch.
        last_try: Whether to give up rows that cannot be read.

    Returns:
        The rows, and whether they were given up as a whole.
    """
    try:
        with transaction.atomic():
            if walks(batch):
                return _from_audience(batch), False
            return _from_slices(batch, last_try=last_try), False
    except Exception as error:
        if not last_try or affects_all(error):
            raise
        return _unreadable(batch, error), True


def _unreadable(batch: Batch, error: Exception) -> Piece:
    """Give up the next rows when only their number is known."""
    found = list(batch.slices.order_by("first_index").values_list("pk", "first_index")[:2])
    if found:
        batch.slices.filter(pk=found[0][0]).delete()
        beyond = found[1][1] if len(found) > 1 else batch.total
        count = beyond - found[0][1]
        last = len(found) == 1
    else:
        count = batch.total - batch.done
        last = count <= slices.SLICE_ROWS
    count = min(max(count, 0), slices.SLICE_ROWS)
    problem = given_up(batch, batch.done, error)
    return Piece(rows=[problem] * count, names=[""] * count, last=last)


def _from_audience(batch: Batch) -> Piece:
    """Return the rows for the next users of an audience."""
    asked = broadcast_of(batch)
    users = contacts.audience_members(
        after=batch.done_to_user_id,
        upto=batch.pk,
        limit=slices.SLICE_ROWS,
        channel=asked.notification_type,
        category=asked.audience.category,
    )
    if users:
        batch.done_to_user_id = users[-1]
    return Piece(
        rows=[asked.to(user_id) for user_id in users],
        names=[str(user_id) for user_id in users],
        last=len(users) < slices.SLICE_ROWS,
    )


def _from_slices(batch: Batch, *, last_try: bool) -> Piece:
    """Read the next stored slice and delete it."""
    found = list(batch.slices.order_by("first_index")[:2])
    if not found:
        return Piece(rows=[], names=[], last=True)
    lines = slices.rows_of(found[0])
    found[0].delete()
    first = found[0].first_index
    if batch.source == BatchSource.BROADCAST:
        asked = broadcast_of(batch)
        names = [line.decode() for line in lines]

        def read(line: bytes) -> Row:
            return asked.to(UUID(line.decode()))

    else:
        names = [str(index) for index in range(first, first + len(lines))]
        reader = reader_of(batch.terms, client=batch.client)
        reader.look_up(lines)
        read = reader.read

    rows = [
        _read_or_give_up(batch, index, line, read) if last_try else read(line)
        for index, line in enumerate(lines, first)
    ]
    return Piece(
        rows=rows,
        names=names,
        last=len(found) == 1,
        lines=slices.lines_of(found[0], len(lines)),
    )


def _read_or_give_up(batch: Batch, index: int, line: bytes, read: Callable[[bytes], Row]) -> Row:
    """Read a row, or give it up if that fails."""
    try:
        return read(line)
    except Exception as error:  # noqa: BLE001 - it is stored as the row's error.
        return given_up(batch, index, error)


def broadcast_of(batch: Batch) -> BroadcastRequest:
    """Return the request of a broadcast."""
    return msgspec.convert(batch.terms["request"], BroadcastRequest)


# The header of a file of which an earlier release would refuse all rows. Without the key ``header``
# its step fails there and is repeated, for ten minutes, until a newer process does it.
NEW_HEADER = "new_header"
# A key of a JSON object, and not a value such as ``"notification_type": "email"``.
NAMED = re.compile(rb'"(?:%s)"\s*:' % "|".join(NAMES).encode())


@dataclass(frozen=True, kw_only=True)
class RowReader:
    """Reads the rows of an uploaded file.

    Attributes:
        columns: The columns of a CSV file; None for NDJSON.
        defaults: The fields that rows may leave out.
        recipients: The users of rows that name them otherwise than by their id.
    """

    columns: Sequence[Column] | None
    defaults: dict[str, object]
    recipients: Recipients

    def look_up(self, lines: Sequence[bytes]) -> None:
        """Find the users of rows that name them otherwise, before these rows are read."""
        named = [line for line in lines if self._may_name(line)]
        given = []
        for line in named:
            # What is wrong with a row is found when it is read.
            with suppress(Problem, ParseError, msgspec.DecodeError):
                given.append(self._fields(line))
        self.recipients.look_up(given)

    def is_new(self, lines: Sequence[bytes]) -> bool:
        """Return whether an earlier release would misread the file, whose first lines these are."""
        typed = any(column.kind or not column.name for column in self.columns or ())
        return typed or any(map(self._may_name, lines))

    def read(self, line: bytes) -> Row:
        """Read a row, after ``look_up``."""
        return _as_row(lambda: self._request(line))

    def _may_name(self, line: bytes) -> bool:
        if self.columns is None:
            return NAMED.search(line) is not None
        return any(column.name in NAMES and not column.groups for column in self.columns)

    def _fields(self, line: bytes) -> dict[str, Any]:
        given = decode(line)
        if self.columns is not None:
            given = as_fields(self.columns, given)
            _refuse_control_characters(given)
        elif not isinstance(given, dict):
            raise invalid("", "invalid", "Expected a JSON object.")
        fields: dict[str, Any] = given
        return fields

    def _request(self, line: bytes) -> SendRequest:
        given = self._fields(line)
        if not given.keys().isdisjoint(NAMES):
            given = self.recipients.resolved(given)
        # CSV cells are always text and must be converted; JSON values must have the right type.
        return requests.row_of({**self.defaults, **given}, strict=self.columns is None)


def reader_of(terms: dict[str, Any], *, client: str) -> RowReader:
    """Return the reader for the rows of a file.

    Args:
        terms: The terms of its batch.
        client: The client that uploaded it.
    """
    header = terms[NEW_HEADER] if NEW_HEADER in terms else terms["header"]
    return RowReader(
        columns=None if header is None else columns_of(header),
        defaults=terms["defaults"],
        # A file that an earlier release received names users by their ids.
        recipients=Recipients(client=client, allowed=terms.get("may_look_up", False)),
    )


def _as_row(read: Callable[[], SendRequest]) -> Row:
    """Return a request, or what is wrong with it."""
    try:
        return read()
    except Problem as problem:
        return problem
    except msgspec.ValidationError as error:
        return requests.as_problem(error)
    except ParseError as error:
        return invalid("", "malformed_json", str(error.detail))


def _refuse_control_characters(fields: dict[str, object]) -> None:
    for steps, scalar in places(fields):
        if isinstance(scalar, str) and CONTROL_CHARACTER.search(scalar):
            raise invalid(
                pointer_to(*steps), "control_character", "Control characters are not allowed."
            )
