"""Make the notifications of batches, slice by slice, by whichever process sweeps.

A slice's rows, their ids and the progress are written in one transaction, so a process may die
at any moment: a slice is made wholly or not at all, and made again it changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import structlog
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ParseError

from apps.common.callers import Caller, Kind
from apps.common.correlation import correlated
from apps.common.ids import derived_id
from apps.common.parsers import CONTROL_CHARACTER, decode, places
from apps.common.problems import Problem, invalid, pointer_to
from apps.common.setting_apart import FAILURES_MAX, meets_all, name_of, set_apart, wait_after
from apps.notifications import intake, kept_connection, queues, requests
from apps.notifications.batches import reading, slices
from apps.notifications.batches.cancelling import cancel_some
from apps.notifications.intake import Answer, Membership
from apps.notifications.kept_connection import KeptConnection
from apps.notifications.models import Batch, BatchError, BatchSource, BatchState
from apps.notifications.outbox import PUBLISH_ERRORS
from apps.notifications.requests import BroadcastRequest, SendRequest
from apps.users import contacts

log = structlog.get_logger(__name__)

# A pointer holds the names of fields as they were given, and PostgreSQL stores no NUL.
WRITTEN_OUT = {code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)}

# While this many messages of a hundred wait in a lane of the batch, no more rows are made: the
# workers have enough, and what is not made yet can still be paused.
AHEAD_MESSAGES = 50
LOOK_AGAIN = timedelta(seconds=0.5)

# A step that fails is tried again after this long, doubled each time: ten minutes in all, since
# the rest of the batch waits for it.
FIRST_WAIT = timedelta(seconds=5)
FAILURES_COLUMN_MAX = 32_767
COULD_NOT_BE_MADE = "could_not_be_made"

Row = SendRequest | Problem


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One row that is asked for.

    Attributes:
        index: Its place in the batch, from 0.
        row_id: The id that its notification will have.
        request: What is asked for.
    """

    index: int
    row_id: UUID
    request: SendRequest


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The next rows of a batch.

    Attributes:
        rows: What is asked for, or why it cannot be.
        names: What tells each row from the others of the batch, for its id.
        last: Whether no more come after these.
    """

    rows: Sequence[Row]
    names: Sequence[str]
    last: bool


def make_slice(*, kept: KeptConnection | None = None) -> bool:
    """Go on with one batch: make its next slice, or cancel the next rows of a cancelled one.

    Safe in several processes: each takes a batch that no other holds.

    Args:
        kept: The broker connection of this thread; by default one for this call.

    Returns:
        Whether anything was done; then there may be more to do at once.
    """
    due = Batch.objects.filter(
        next_at__lte=timezone.now(), state__in=(BatchState.RUNNING, BatchState.CANCELLED)
    )
    # Asked first without a transaction: on SQLite every transaction takes the one lock to write.
    if not due.exists():
        return False
    deep = _deep_lanes(kept)
    with transaction.atomic():
        now = timezone.now()
        batch = (
            due.filter(next_at__lte=now)
            .order_by("next_at")
            .select_for_update(skip_locked=True)
            .first()
        )
        if batch is None:
            return False
        with correlated(batch.correlation_id):
            return _go_on(batch, deep=deep, now=now)


def _go_on(batch: Batch, *, deep: frozenset[str], now: datetime) -> bool:
    """Do the next step of a batch; one that fails puts this batch off, and no other."""
    failures = batch.failures
    try:
        with transaction.atomic():
            if batch.state == BatchState.CANCELLED:
                cancel_some(batch, now=now)
            elif deep.isdisjoint(batch.lanes):
                _make(batch, now=now)
            else:
                batch.next_at = now + LOOK_AGAIN
                batch.save(update_fields=["next_at"])
                return False
    except Exception as error:
        if meets_all(error):
            raise
        _put_off(batch, error, failures=failures + 1, now=now)
    return True


def _put_off(batch: Batch, error: Exception, *, failures: int, now: datetime) -> None:
    """Leave a batch alone whose step failed, longer each time."""
    batch.failures = min(failures, FAILURES_COLUMN_MAX)
    batch.last_error = name_of(error)[:200]
    batch.next_at = now + wait_after(batch.failures, first=FIRST_WAIT)
    batch.save(update_fields=["failures", "last_error", "next_at"])
    log.error(
        "a step of a batch failed",
        batch_id=str(batch.pk),
        failures=batch.failures,
        failures_max=FAILURES_MAX,
        next_try=batch.next_at.isoformat(),
        exc_info=error,
    )


def _deep_lanes(kept: KeptConnection | None) -> frozenset[str]:
    """Name the lanes that have enough; without a broker, all of them."""
    try:
        with kept_connection.use(kept) as broker:
            depths = queues.depths(broker)
    except PUBLISH_ERRORS:
        return frozenset(queues.LANES)
    return frozenset(lane for lane in queues.LANES if depths[lane] >= AHEAD_MESSAGES)


def _make(batch: Batch, *, now: datetime) -> None:
    """Make one slice and write the progress down.

    At the last of the tries whatever cannot be made is counted as rejected, so that the rest goes
    on. If there is more of that kind right behind it, it does not have to fail as often again.
    """
    last_try = batch.failures >= FAILURES_MAX - 1
    piece, given_up = _next_piece(batch, last_try=last_try)
    first_index = batch.done
    asked = [
        Asked(index=index, row_id=derived_id(batch.pk, name), request=row)
        for index, (name, row) in enumerate(zip(piece.names, piece.rows, strict=True), first_index)
        if isinstance(row, SendRequest)
    ]
    answers = _accepted_apart(batch, asked) if last_try else _accepted(batch, asked)
    refused = {
        index: row for index, row in enumerate(piece.rows, first_index) if isinstance(row, Problem)
    }
    lanes = set(batch.lanes)
    for one, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Problem):
            refused[one.index] = answer
        else:
            lanes.add(answer.notification.lane)
            batch.duplicates += answer.replayed
            batch.accepted += not answer.replayed
    BatchError.objects.bulk_create(
        BatchError(batch=batch, index=index, errors=errors_of(problem))
        for index, problem in sorted(refused.items())
    )
    batch.rejected += len(refused)
    batch.lanes = sorted(lanes)
    batch.next_at = now
    given_up |= any(problem.problem_code == COULD_NOT_BE_MADE for problem in refused.values())
    batch.failures = FAILURES_MAX if given_up and not piece.last else 0
    if piece.last:
        # People who were erased, or changed their mind, since they were counted.
        batch.total = batch.done
        batch.state, batch.next_at, batch.ended_at = BatchState.FINISHED, None, now
        # What was said to everybody may be personal, and nothing needs it any more.
        batch.terms = {}
        log.info(
            "batch made",
            batch_id=str(batch.pk),
            accepted=batch.accepted,
            duplicates=batch.duplicates,
            rejected=batch.rejected,
        )
    batch.save()


def _accepted(batch: Batch, asked: Sequence[Asked]) -> list[Answer]:
    return intake.accept_all(
        [one.request for one in asked],
        caller=Caller(client=batch.client, kind=Kind(batch.kind)),
        member=Membership(
            batch_id=batch.pk,
            row_ids=[one.row_id for one in asked],
            asked_at=batch.created_at,
        ),
    )


def _accepted_apart(batch: Batch, asked: Sequence[Asked]) -> list[Answer]:
    """Accept those that can be, whatever happens with single ones."""

    def reject(one: Asked, error: Exception) -> list[Answer]:
        return [_given_up(batch, one.index, error)]

    parts = set_apart(asked, lambda some: _accepted(batch, some), failed=reject)
    return [answer for part in parts for answer in part]


def _given_up(batch: Batch, index: int, error: Exception) -> Problem:
    """Say that a row became no notification, and for which reason."""
    log.error(
        "a row of a batch was given up",
        batch_id=str(batch.pk),
        index=index,
        exc_info=error,
    )
    batch.last_error = name_of(error)[:200]
    detail = f"This row could not be made in {FAILURES_MAX} tries: {name_of(error)}."
    return Problem(500, detail, code=COULD_NOT_BE_MADE)


def errors_of(problem: Problem) -> list[dict[str, str]]:
    """Write down what is wrong with a row, without its values."""
    if problem.errors:
        return [
            {**asdict(error), "pointer": error.pointer.translate(WRITTEN_OUT)}
            for error in problem.errors
        ]
    return [{"pointer": "", "code": problem.problem_code, "detail": str(problem.detail)}]


def _walks(batch: Batch) -> bool:
    """Tell whether the recipients are found by walking through the users."""
    return batch.source == BatchSource.BROADCAST and not batch.terms["by_name"]


def _next_piece(batch: Batch, *, last_try: bool) -> tuple[Piece, bool]:
    """Take the next rows.

    Args:
        batch: The batch.
        last_try: Whether rows that cannot be read are to be given up.

    Returns:
        The rows, and whether they were given up as a whole.
    """
    try:
        with transaction.atomic():
            if _walks(batch):
                return _from_audience(batch), False
            return _from_slices(batch, last_try=last_try), False
    except Exception as error:
        if not last_try or meets_all(error):
            raise
        return _unreadable(batch, error), True


def _unreadable(batch: Batch, error: Exception) -> Piece:
    """Give up the next rows, of which nothing is known but how many they are."""
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
    problem = _given_up(batch, batch.done, error)
    return Piece(rows=[problem] * count, names=[""] * count, last=last)


def _from_audience(batch: Batch) -> Piece:
    """Take the next users of an audience."""
    asked = _broadcast_of(batch)
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
    """Take the next slice out of the database."""
    found = list(batch.slices.order_by("first_index")[:2])
    if not found:
        return Piece(rows=[], names=[], last=True)
    lines = slices.rows_of(found[0])
    found[0].delete()
    first = found[0].first_index
    if batch.source == BatchSource.BROADCAST:
        asked = _broadcast_of(batch)
        names = [line.decode() for line in lines]

        def read(line: bytes) -> Row:
            return asked.to(UUID(line.decode()))

    else:
        header, defaults = batch.terms["header"], batch.terms["defaults"]
        names = [str(index) for index in range(first, first + len(lines))]

        def read(line: bytes) -> Row:
            return _row(line, header=header, defaults=defaults)

    rows = [
        _read_apart(batch, index, line, read) if last_try else read(line)
        for index, line in enumerate(lines, first)
    ]
    return Piece(rows=rows, names=names, last=len(found) == 1)


def _read_apart(batch: Batch, index: int, line: bytes, read: Callable[[bytes], Row]) -> Row:
    """Read a row, and give it up where that fails."""
    try:
        return read(line)
    except Exception as error:  # noqa: BLE001 - it is written down as the row's.
        return _given_up(batch, index, error)


def _broadcast_of(batch: Batch) -> BroadcastRequest:
    return msgspec.convert(batch.terms["request"], BroadcastRequest)


def _row(line: bytes, *, header: list[str] | None, defaults: dict[str, object]) -> Row:
    """Read one uploaded row."""
    try:
        given = decode(line)
        if header is not None:
            given = reading.as_fields(header, given)
            _refuse_control_characters(given)
        elif not isinstance(given, dict):
            return invalid("", "invalid", "Expected a JSON object.")
        # The cells of a CSV file are texts; in JSON a number is a number.
        return msgspec.convert(
            {**defaults, **given}, requests.BulkSendRequest, strict=header is None
        )
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
