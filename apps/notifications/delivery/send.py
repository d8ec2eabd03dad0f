"""Deliver a chunk: claim, prepare, send, record. Nothing is locked while it is on the wire."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error

from apps.common.database_retry import run_until_answered
from apps.notifications.broker import topology
from apps.notifications.broker.topology import Channel
from apps.notifications.delivery import record, requeue
from apps.notifications.delivery.attempt_rounds import AttemptRound
from apps.notifications.delivery.calls import begin
from apps.notifications.delivery.claim import Claim, claim
from apps.notifications.delivery.clock import DatabaseClock
from apps.notifications.delivery.decide import Decision
from apps.notifications.delivery.prepare import Prepared, prepare
from apps.notifications.delivery.requeue import Requeue, ToPublish
from apps.notifications.delivery.retry_policy import Policy
from apps.notifications.flow_control import limits
from apps.notifications.models import Notification
from apps.notifications.providers.time_limits import BEGIN_SECONDS

log = structlog.get_logger(__name__)

# Bulk chunks make way sooner, so that a slow provider does not keep a worker to itself.
BULK_CHUNK_SECONDS = 2.0
# A message that finds no database waits in the broker for so long; a delay queue of ``queues``.
AWAY_SECONDS = 8


@dataclass(kw_only=True)
class _InFlightChunk:
    """A chunk whose calls have been begun.

    Attributes:
        claim: What holds its rows.
        channel: The channel of all of them.
        lane: Where they came from; all of a message are of one lane.
        until: ``time.monotonic()`` after which no further call is begun.
        held_back: The rows that do not go out now.
        rounds: What comes of the others, as it comes.
        unrecorded: The rows whose lease has to last.
    """

    claim: Claim
    channel: Channel
    lane: str
    until: float
    held_back: list[tuple[Notification, Decision]]
    rounds: Iterator[list[AttemptRound]]
    unrecorded: set[UUID]

    def recorded(self) -> ToPublish:
        """Wait for the answers, record them, and return what the broker has to be told.

        Nobody else gets a row while its call is on the wire, however long that takes: between two
        parts of the answers the lease is renewed.
        """
        left = ToPublish()
        for rounds in self.rounds:
            left.add(self._record(rounds))
            self.claim.renew_when_due(self.unrecorded)
        left.add(self._record([]))
        return left

    def _record(self, rounds: list[AttemptRound]) -> ToPublish:
        held_back, self.held_back = self.held_back, []
        if not (rounds or held_back):
            return ToPublish()
        left = record.outcomes(
            self.claim.id,
            rounds=rounds,
            held_back=held_back,
            policy=policy(self.channel),
            now=self.claim.clock.now(),
        )
        self.unrecorded -= {done.notification.pk for done in rounds}
        self.unrecorded -= {row.pk for row, _ in held_back}
        return left


def deliver(*, channel: Channel, ids: Sequence[UUID], attempt: int) -> ToPublish:
    """Deliver the notifications of one message, a chunk at a time.

    While one chunk is on the wire the next is claimed, prepared and put behind it, and the one
    before is recorded: the wire never waits for the database.

    Args:
        channel: The channel of all of them.
        ids: The notifications, of one lane.
        attempt: Attempts spent when the message was published.

    Returns:
        What the broker has to be told, with the groups that found no database.

    Raises:
        django.db.Error: Outcomes could not be recorded for ``record.PATIENCE_SECONDS``.
    """
    began = time.monotonic()
    left = ToPublish()
    in_flight: _InFlightChunk | None = None
    clock: DatabaseClock | None = None
    try:
        for start, end in pairwise(_bounds(len(ids))):
            ahead, in_flight = in_flight, None
            try:
                if ahead is not None and time.monotonic() >= ahead.until:
                    # Whose turn has not come goes to the end of the lane, unclaimed.
                    rest = list(ids[start:])
                    left.retries.append(
                        Requeue(lane=ahead.lane, attempt=attempt, delay_seconds=None, ids=rest)
                    )
                    break
                early, in_flight = _begun(
                    channel, ids[start:end], attempt=attempt, began=began, clock=clock
                )
                left.retries += early
                clock = in_flight.claim.clock if in_flight is not None else clock
            except Error as error:
                log.warning("a message waits for the database", error=type(error).__name__)
                rest = list(ids[start:])
                left.retries.append(
                    Requeue(lane=None, attempt=attempt, delay_seconds=AWAY_SECONDS, ids=rest)
                )
                break
            finally:
                # Also when the next chunk could not be begun: these calls have been made.
                if ahead is not None:
                    left.add(ahead.recorded())
    finally:
        if in_flight is not None:
            left.add(in_flight.recorded())
    return left


def _bounds(count: int) -> list[int]:
    """Say where the chunks of a message begin, and where the last one ends.

    The wire has nothing to do before the first of several chunks and after the last, so the first
    is half as large, and in a full message the last is as well.
    """
    size = topology.CHUNK_SIZE
    first = size // 2 if count > size else size
    return [0, *range(first, count, size), count]


def _begun(
    channel: Channel,
    ids: Sequence[UUID],
    *,
    attempt: int,
    began: float,
    clock: DatabaseClock | None,
) -> tuple[list[Requeue], _InFlightChunk | None]:
    """Claim and prepare a chunk and begin its calls; return what is too early for them as well.

    All chunks of a message go by the clock of its first: two readings differ by milliseconds, and
    their times would be out of order.
    """
    claimed = claim(ids, attempt=attempt)
    claimed.clock = clock or claimed.clock
    early = requeue.group(
        [(row, row.attempts, row.next_attempt_at) for row in claimed.early],
        now=claimed.clock.now(),
    )
    if not claimed.rows:
        return early, None
    prepared = _prepared(claimed)
    bulk = all(topology.is_bulk(row.lane) for row in claimed.rows)
    until = began + (BULK_CHUNK_SECONDS if bulk else BEGIN_SECONDS)
    in_flight = _InFlightChunk(
        claim=claimed,
        channel=channel,
        lane=claimed.rows[0].lane,
        until=until,
        held_back=prepared.held_back,
        rounds=begin(
            channel,
            prepared.envelopes,
            request=_request_class(claimed.rows),
            until=until,
            started_at=claimed.clock.now(),
        ),
        unrecorded={row.pk for row in claimed.rows},
    )
    return early, in_flight


def _prepared(claimed: Claim) -> Prepared:
    """Prepare what a claim holds, however long the database takes.

    Whoever finds a row that is held and not dealt with counts a crash. After so long a wait no call
    is begun any more, so nothing goes out that somebody else may have by then.
    """

    def step(_: bool) -> Prepared:  # noqa: FBT001 - as ``run_until_answered`` calls it.
        return prepare(claimed.rows, now=claimed.clock.now())

    return run_until_answered(step, what="prepare", patience_seconds=record.PATIENCE_SECONDS)


def policy(channel: Channel) -> Policy:
    """Read the retry policy of a channel from the settings.

    A second copy of a push replaces the first on the device, one of a mail lies beside it.
    """
    return Policy(
        max_attempts=settings.RETRY_MAX_ATTEMPTS,
        base_seconds=settings.RETRY_BASE_SECONDS,
        max_seconds=settings.RETRY_MAX_SECONDS,
        unknown_waits=settings.UNKNOWN_OUTCOME_WAITS if channel is Channel.EMAIL else None,
    )


def _request_class(rows: Sequence[Notification]) -> limits.RequestClass:
    """Return what decides on the tokens of a chunk, whose messages are all of one lane."""
    return limits.RequestClass(
        urgency=topology.urgency_of(rows[0].lane),
        # The round that set a due time keeps it.
        returning=all(row.next_attempt_at is not None for row in rows),
    )
