"""Count in the transaction of what is counted, so that a rollback or a kill loses both or none.

What tells webhooks of the same changes is inserted by the same statement.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from django.db.models import Model

from apps.common.postgresql.json_insert import insert
from apps.notifications.lifecycle import announce
from apps.notifications.lifecycle.states import FINISHED, Status
from apps.notifications.models import Attempt, Notification, StatisticsDelta
from apps.notifications.statistics import counters
from apps.webhooks import outbox
from apps.webhooks.models import Delivery


class Counted(Protocol):
    """The columns of a notification by which it is counted."""

    client: str
    kind: str
    channel: str
    template_code: str


class Ending(Counted, Protocol):
    """The columns of a notification, before it ends or its ending changes."""

    status: str
    reason: str
    created_at: datetime
    scheduled_for: datetime | None
    updated_at: datetime


# The columns of ``Ending``.
ENDING_COLUMNS = (
    "client",
    "kind",
    "channel",
    "template_code",
    "status",
    "reason",
    "created_at",
    "scheduled_for",
    "updated_at",
)
MILLISECOND = timedelta(milliseconds=1)
DELIVERED = frozenset({Status.SENT, Status.DELIVERED})


class _Group(NamedTuple):
    """What counters are kept for."""

    at: datetime
    client: str
    kind: str
    channel: str
    template_code: str


_Sums = defaultdict[_Group, Counter[str]]


@dataclass(frozen=True, slots=True)
class _Block:
    """What a block counts, and the rows to insert with it."""

    sums: _Sums = field(default_factory=lambda: defaultdict(Counter))
    told: list[Delivery] = field(default_factory=list)


_together: ContextVar[_Block | None] = ContextVar("statistics_together", default=None)


@contextmanager
def together(rows: Sequence[Model] = ()) -> Iterator[None]:
    """Store what a block counts with one INSERT at its end, in the block's transaction.

    Within another such block, the outer one stores it.

    Args:
        rows: Further new rows to insert with it.
    """
    if _together.get() is not None:
        yield
        insert(rows)
        return
    block = _Block()
    token = _together.set(block)
    try:
        yield
        insert(rows, _deltas(block.sums), block.told)
    finally:
        _together.reset(token)
    outbox.wake(block.told)


def tell(told: Sequence[Delivery]) -> None:
    """Insert what tells webhooks of the changes of the current block, with what it counts."""
    block = _together.get()
    if block is not None:
        block.told.extend(told)
    else:
        insert(told)
        outbox.wake(told)


def insert_accepted(rows: Sequence[Notification]) -> None:
    """Insert new notifications, count them and tell of them with one statement.

    They are counted in the minute in which they were requested, as their rows say.

    Raises:
        IntegrityError: A row violates a constraint; nothing is stored or counted.
    """
    told = announce.accepted(rows)
    insert(rows, _accepted(rows), told)
    outbox.wake(told)


def count_accepted(rows: Iterable[Notification]) -> None:
    """Count notifications that the transaction has inserted otherwise, and tell of them."""
    new = list(rows)
    told = announce.accepted(new)
    insert(_accepted(new), told)
    outbox.wake(told)


def _accepted(rows: Iterable[Notification]) -> list[StatisticsDelta]:
    sums: _Sums = defaultdict(Counter)
    for row in rows:
        sums[_group(row, row.created_at)][counters.ACCEPTED] += 1
    return _deltas(sums)


def count_ended(rows: Iterable[Ending], *, to: Status, reason: str, now: datetime) -> None:
    """Count notifications that end, or whose ending changes because of a late reply or receipt.

    Args:
        rows: The notifications, with the columns that they had before.
        to: Their new status, a final one.
        reason: The public reason.
        now: When they end, UTC.
    """
    with together():
        for row in rows:
            _count(row, now, counters.ENDED, to.value, reason)
            if row.status in FINISHED:
                _count(row, row.updated_at, counters.REPLACED, row.status, row.reason)
            elif to in DELIVERED:
                due = max(row.created_at, row.scheduled_for or row.created_at)
                _count(row, now, counters.LATENCY, str(counters.bin_of(now - due)))
                _count(row, now, counters.LATENCY_SUM, amount=max(0, (now - due) // MILLISECOND))


def count_attempts(attempts: Sequence[Attempt], *, now: datetime) -> None:
    """Count calls of providers by their outcome. The attempts hold their notifications."""
    with together():
        for call in attempts:
            _count(call.notification, now, counters.ATTEMPTS, call.provider, call.outcome)


def count(rows: Iterable[Counted], *names: str, now: datetime) -> None:
    """Count notifications by another name of ``counters``."""
    with together():
        for row in rows:
            _count(row, now, *names)


def _count(row: Counted, at: datetime, *names: str, amount: int = 1) -> None:
    block = _together.get()
    if block is not None:
        block.sums[_group(row, at)][counters.name_of(*names)] += amount


def _group(row: Counted, at: datetime) -> _Group:
    return _Group(counters.minute_of(at), row.client, row.kind, row.channel, row.template_code)


def _deltas(sums: _Sums) -> list[StatisticsDelta]:
    return [StatisticsDelta(**group._asdict(), counts=counts) for group, counts in sums.items()]
