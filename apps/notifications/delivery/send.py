"""Deliver a chunk: claim, prepare, send, record. No lock is held while calls are in flight."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error

from apps.common.channels import Channel
from apps.common.database_retry import run_until_answered
from apps.notifications.broker import topology
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

# Bulk chunks have a shorter time limit, so that a slow provider does not occupy a worker.
BULK_CHUNK_SECONDS = 2.0
# If the database is unavailable, the message waits this long in a delay queue of ``topology``.
UNAVAILABLE_SECONDS = 8


@dataclass(kw_only=True)
class _InFlightChunk:
    """A chunk whose calls have been started.

    Attributes:
        claim: The claim that holds its rows.
        channel: The channel of all rows.
        lane: The lane of all rows; a message has rows of one lane only.
        until: ``time.monotonic()`` after which no further call is started.
        held_back: The rows that are not sent now.
        rounds: The results of the other rows, as they arrive.
        unrecorded: The rows whose lease must be renewed.
    """

    claim: Claim
    channel: Channel
    lane: str
    until: float
    held_back: list[tuple[Notification, Decision]]
    rounds: Iterator[list[AttemptRound]]
    unrecorded: set[UUID]

    def recorded(self) -> ToPublish:
        """Wait for the replies, record them, and return the messages to publish.

        The lease is renewed between two parts of the replies. No other process gets a row while
        its call is in flight, however long that takes.
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
    """Deliver the notifications of one message in chunks.

    Chunks are pipelined: while the calls of one chunk are in flight, the next chunk is claimed,
    prepared and started, and then the earlier one is recorded. Provider calls never wait for the
    database.

    Args:
        channel: The channel of all notifications.
        ids: The notifications, all of one lane.
        attempt: The number of attempts used when the message was published.

    Returns:
        The messages to publish, including groups to retry because the database was unavailable.

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
                    # The time limit is over: requeue the rest at the end of the lane, unclaimed.
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
                    Requeue(lane=None, attempt=attempt, delay_seconds=UNAVAILABLE_SECONDS, ids=rest)
                )
                break
            finally:
                # Record also if the next chunk could not be started: these calls were made.
                if ahead is not None:
                    left.add(ahead.recorded())
    finally:
        if in_flight is not None:
            left.add(in_flight.recorded())
    return left


def _bounds(count: int) -> list[int]:
    """Return the start index of each chunk of a message, and the end of the last one.

    No calls are in flight before the first of several chunks starts and after the last one ends.
    To shorten these gaps the first chunk has half the size, and so has the last one of a full
    message.
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
    """Claim and prepare a chunk and start its calls.

    All chunks of a message use the clock reading of the first chunk: two readings differ by
    milliseconds, which would put their times out of order.

    Returns:
        Groups of rows that are not due yet, and the started chunk; None if no row was claimed.
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
    """Prepare the rows of a claim, and wait for the database up to ``record.PATIENCE_SECONDS``.

    Giving up earlier would leave the rows claimed and unfinished, and the sweep would count a
    crash. After a long wait the chunk's time limit is over and no call is started, so nothing is
    sent that another worker may hold by then.
    """

    def step(_: bool) -> Prepared:  # noqa: FBT001 - as ``run_until_answered`` calls it.
        return prepare(claimed.rows, now=claimed.clock.now())

    return run_until_answered(step, what="prepare", patience_seconds=record.PATIENCE_SECONDS)


def policy(channel: Channel) -> Policy:
    """Read the retry policy of a channel from the settings.

    A second copy of a push replaces the first one on the device. A second copy of a mail is a
    duplicate in the mailbox, so only mails use ``unknown_waits``.
    """
    return Policy(
        max_attempts=settings.RETRY_MAX_ATTEMPTS,
        base_seconds=settings.RETRY_BASE_SECONDS,
        max_seconds=settings.RETRY_MAX_SECONDS,
        unknown_waits=settings.UNKNOWN_OUTCOME_WAITS if channel is Channel.EMAIL else None,
    )


def _request_class(rows: Sequence[Notification]) -> limits.RequestClass:
    """Return a chunk's urgency under a rate limit, and whether its rows have waited before.

    All rows of a chunk are of one lane.
    """
    return limits.RequestClass(
        urgency=topology.urgency_of(rows[0].lane),
        # A row keeps the due time that an earlier round set.
        returning=all(row.next_attempt_at is not None for row in rows),
    )
