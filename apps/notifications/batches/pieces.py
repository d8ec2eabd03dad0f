"""Read the rows of a batch's next slice: users of an audience, or lines of a file."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

import msgspec
import structlog
from django.db import transaction

from apps.common.failure_isolation import FAILURES_MAX, affects_all, name_of
from apps.common.rest.problems import Problem
from apps.notifications.batches import slices
from apps.notifications.batches.row_reader import Row, RowReader, reader_of
from apps.notifications.intake.requests import BroadcastRequest, SendRequest
from apps.notifications.models import Batch, BatchSource
from apps.users import contacts

log = structlog.get_logger(__name__)


# A pointer contains field names as the client wrote them, and PostgreSQL cannot store NUL.
CONTROL_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)}


CREATION_FAILED = "could_not_be_made"


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
        texts: The rows as they were stored; none if they are of no file.
        reader: What the texts are read with.
    """

    rows: Sequence[Row]
    names: Sequence[str]
    last: bool
    lines: Sequence[int] = ()
    texts: Sequence[bytes] = ()
    reader: RowReader | None = None


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
    reader: RowReader | None = None
    texts: Sequence[bytes] = ()
    if batch.source == BatchSource.BROADCAST:
        asked = broadcast_of(batch)
        names = [line.decode() for line in lines]

        def read(line: bytes) -> Row:
            return asked.to(UUID(line.decode()))

    else:
        names = [str(index) for index in range(first, first + len(lines))]
        texts = lines
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
        texts=texts,
        reader=reader,
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
