"""Make the notifications of batches, slice by slice, by whichever process sweeps.

A slice's rows, their ids and the progress are written in one transaction, so a process may die
at any moment: a slice is made wholly or not at all, and made again it changes nothing.
"""

from collections.abc import Sequence
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
from apps.notifications import intake, kept_connection, queues, requests
from apps.notifications.batches import reading, slices
from apps.notifications.intake import Membership
from apps.notifications.kept_connection import KeptConnection
from apps.notifications.models import Batch, BatchError, BatchSource, BatchState, Notification
from apps.notifications.outbox import PUBLISH_ERRORS
from apps.notifications.requests import BroadcastRequest, SendRequest
from apps.notifications.states import CANCELLABLE, Status
from apps.notifications.timeline import advance_telling
from apps.users import contacts

log = structlog.get_logger(__name__)

# While this many messages of a hundred wait in a lane of the batch, no more rows are made: the
# workers have enough, and what is not made yet can still be paused.
AHEAD_MESSAGES = 50
LOOK_AGAIN = timedelta(seconds=0.5)
CANCEL_ROWS = 1000

Row = SendRequest | Problem


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
            if batch.state == BatchState.CANCELLED:
                _cancel_some(batch, now=now)
                return True
            if not deep.isdisjoint(batch.lanes):
                batch.next_at = now + LOOK_AGAIN
                batch.save(update_fields=["next_at"])
                return False
            _make(batch, now=now)
    return True


def _deep_lanes(kept: KeptConnection | None) -> frozenset[str]:
    """Name the lanes that have enough; without a broker, all of them."""
    try:
        with kept_connection.use(kept) as broker:
            depths = queues.depths(broker)
    except PUBLISH_ERRORS:
        return frozenset(queues.LANES)
    return frozenset(lane for lane in queues.LANES if depths[lane] >= AHEAD_MESSAGES)


def _make(batch: Batch, *, now: datetime) -> None:
    """Make one slice and write the progress down."""
    piece = _from_audience(batch) if _walks(batch) else _from_slices(batch)
    first_index = batch.done
    asked = [
        (index, name, row)
        for index, (name, row) in enumerate(zip(piece.names, piece.rows, strict=True), first_index)
        if isinstance(row, SendRequest)
    ]
    answers = intake.accept_all(
        [row for _, _, row in asked],
        caller=Caller(client=batch.client, kind=Kind(batch.kind)),
        member=Membership(
            batch_id=batch.pk,
            row_ids=[derived_id(batch.pk, name) for _, name, _ in asked],
            asked_at=batch.created_at,
        ),
    )
    refused = {
        index: row for index, row in enumerate(piece.rows, first_index) if isinstance(row, Problem)
    }
    lanes = set(batch.lanes)
    for (index, _, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, Problem):
            refused[index] = answer
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


def errors_of(problem: Problem) -> list[dict[str, str]]:
    """Write down what is wrong with a row, without its values."""
    if problem.errors:
        return [asdict(error) for error in problem.errors]
    return [{"pointer": "", "code": problem.problem_code, "detail": str(problem.detail)}]


def _walks(batch: Batch) -> bool:
    """Tell whether the recipients are found by walking through the users."""
    return batch.source == BatchSource.BROADCAST and not batch.terms["by_name"]


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


def _from_slices(batch: Batch) -> Piece:
    """Take the next slice out of the database."""
    found = list(batch.slices.order_by("first_index")[:2])
    if not found:
        return Piece(rows=[], names=[], last=True)
    lines = slices.rows_of(found[0])
    found[0].delete()
    last = len(found) == 1
    if batch.source == BatchSource.BROADCAST:
        asked = _broadcast_of(batch)
        names = [line.decode() for line in lines]
        return Piece(rows=[asked.to(UUID(name)) for name in names], names=names, last=last)
    header, defaults = batch.terms["header"], batch.terms["defaults"]
    rows = [_row(line, header=header, defaults=defaults) for line in lines]
    names = [str(index) for index in range(found[0].first_index, found[0].first_index + len(lines))]
    return Piece(rows=rows, names=names, last=last)


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


def _cancel_some(batch: Batch, *, now: datetime) -> None:
    """Cancel the next rows that have not gone out; nothing is due once there are none."""
    waiting = Notification.objects.filter(batch_id=batch.pk, status__in=CANCELLABLE)
    ids = list(waiting.order_by("pk").values_list("pk", flat=True)[:CANCEL_ROWS])
    advance_telling(
        ids,
        to=Status.CANCELLED,
        now=now,
        detail="the batch was cancelled",
        reason="cancelled",
    )
    if len(ids) < CANCEL_ROWS:
        batch.next_at = None
        batch.ended_at = now
        batch.save(update_fields=["next_at", "ended_at"])
