"""Deliver a chunk: claim, prepare, send, record. Nothing is locked while it is on the wire."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error

from apps.common.database_retry import run_until_answered
from apps.notifications import breakers, limits, queues
from apps.notifications.delivery import again, record, routing
from apps.notifications.delivery.again import Again
from apps.notifications.delivery.claim import Claim, claim
from apps.notifications.delivery.clock import DatabaseClock
from apps.notifications.delivery.eligibility import Hindrance
from apps.notifications.delivery.prepare import Envelope, Prepared, prepare
from apps.notifications.delivery.retry import Policy
from apps.notifications.delivery.rounds import Call, Round
from apps.notifications.models import Notification
from apps.notifications.providers.base import Reply
from apps.notifications.providers.registry import provider
from apps.notifications.queues import Channel
from apps.notifications.time_limits import BEGIN_SECONDS

log = structlog.get_logger(__name__)

# Bulk chunks make way sooner, so that a slow provider does not keep a worker to itself.
BULK_CHUNK_SECONDS = 2.0
# A message that finds no database waits in the broker for so long; a rung of ``queues``.
AWAY_RUNG_SECONDS = 8
# What was accepted is recorded after this long at the latest, also while other calls of the chunk
# hang: a worker that dies then has less to send twice.
RECORD_SECONDS = 0.5


@dataclass(kw_only=True)
class _Flight:
    """A chunk whose calls have been begun.

    Attributes:
        claim: What holds its rows.
        channel: The channel of all of them.
        lane: Where they came from; all of a message are of one lane.
        until: ``time.monotonic()`` after which no further call is begun.
        hindered: The rows that do not go out now.
        rounds: What comes of the others, as it comes.
        unrecorded: The rows whose lease has to last.
    """

    claim: Claim
    channel: Channel
    lane: str
    until: float
    hindered: list[tuple[Notification, Hindrance]]
    rounds: Iterator[list[Round]]
    unrecorded: set[UUID]

    def recorded(self) -> list[Again]:
        """Wait for the answers, record them, and return what has to be tried again.

        Nobody else gets a row while its call is on the wire, however long that takes: between two
        parts of the answers the lease is renewed.
        """
        waits: list[Again] = []
        for rounds in self.rounds:
            waits += self._record(rounds)
            self.claim.renew_when_due(self.unrecorded)
        return waits + self._record([])

    def _record(self, rounds: list[Round]) -> list[Again]:
        hindered, self.hindered = self.hindered, []
        if not (rounds or hindered):
            return []
        waits = record.outcomes(
            self.claim.id,
            rounds=rounds,
            hindered=hindered,
            policy=policy(self.channel),
            now=self.claim.clock.now(),
        )
        self.unrecorded -= {done.notification.pk for done in rounds}
        self.unrecorded -= {row.pk for row, _ in hindered}
        return waits


def deliver(*, channel: Channel, ids: Sequence[UUID], attempt: int) -> list[Again]:
    """Deliver the notifications of one message, a chunk at a time.

    While one chunk is on the wire the next is claimed, prepared and put behind it, and the one
    before is recorded: the wire never waits for the database.

    Args:
        channel: The channel of all of them.
        ids: The notifications, of one lane.
        attempt: Attempts spent when the message was published.

    Returns:
        The groups that have to be put on the broker again, with those that found no database.

    Raises:
        django.db.Error: Outcomes could not be recorded for ``record.PATIENCE_SECONDS``.
    """
    began = time.monotonic()
    waits: list[Again] = []
    flight: _Flight | None = None
    clock: DatabaseClock | None = None
    try:
        for start, end in pairwise(_bounds(len(ids))):
            ahead, flight = flight, None
            try:
                if ahead is not None and time.monotonic() >= ahead.until:
                    # Whose turn has not come goes to the end of the lane, unclaimed.
                    rest = list(ids[start:])
                    waits.append(
                        Again(lane=ahead.lane, attempt=attempt, rung_seconds=None, ids=rest)
                    )
                    break
                early, flight = _begun(
                    channel, ids[start:end], attempt=attempt, began=began, clock=clock
                )
                waits += early
                clock = flight.claim.clock if flight is not None else clock
            except Error as error:
                log.warning("a message waits for the database", error=type(error).__name__)
                rest = list(ids[start:])
                waits.append(
                    Again(lane=None, attempt=attempt, rung_seconds=AWAY_RUNG_SECONDS, ids=rest)
                )
                break
            finally:
                # Also when the next chunk could not be begun: these calls have been made.
                if ahead is not None:
                    waits += ahead.recorded()
    finally:
        if flight is not None:
            waits += flight.recorded()
    return waits


def _bounds(count: int) -> list[int]:
    """Say where the chunks of a message begin, and where the last one ends.

    The wire has nothing to do before the first of several chunks and after the last, so the first
    is half as large, and in a full message the last is as well.
    """
    size = queues.CHUNK_SIZE
    first = size // 2 if count > size else size
    return [0, *range(first, count, size), count]


def _begun(
    channel: Channel,
    ids: Sequence[UUID],
    *,
    attempt: int,
    began: float,
    clock: DatabaseClock | None,
) -> tuple[list[Again], _Flight | None]:
    """Claim and prepare a chunk and begin its calls; return what is too early for them as well.

    All chunks of a message go by the clock of its first: two readings differ by milliseconds, and
    their times would be out of order.
    """
    claimed = claim(ids, attempt=attempt)
    claimed.clock = clock or claimed.clock
    early = again.group(
        [(row, row.attempts, row.next_attempt_at) for row in claimed.early],
        now=claimed.clock.now(),
    )
    if not claimed.rows:
        return early, None
    prepared = _prepared(claimed)
    bulk = all(queues.is_bulk(row.lane) for row in claimed.rows)
    until = began + (BULK_CHUNK_SECONDS if bulk else BEGIN_SECONDS)
    flight = _Flight(
        claim=claimed,
        channel=channel,
        lane=claimed.rows[0].lane,
        until=until,
        hindered=prepared.hindered,
        rounds=_send(
            channel,
            prepared.envelopes,
            turn=_turn(claimed.rows),
            until=until,
            started_at=claimed.clock.now(),
        ),
        unrecorded={row.pk for row in claimed.rows},
    )
    return early, flight


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


def _turn(rows: Sequence[Notification]) -> limits.Turn:
    """Say how a chunk stands to others under a limit; it is of one lane."""
    return limits.Turn(
        urgency=queues.urgency_of(rows[0].lane),
        # A due time is kept from the round that set it.
        returning=all(row.next_attempt_at is not None for row in rows),
    )


def _send(
    channel: Channel,
    envelopes: Sequence[Envelope],
    *,
    turn: limits.Turn,
    until: float,
    started_at: datetime,
) -> Iterator[list[Round]]:
    """Take the messages of all envelopes to the wire side by side, each by its provider.

    Returns:
        The rounds that have ended since the last time, none where all calls hang: what a provider
        accepted is recorded soon, also while another call of the chunk hangs.
    """
    parcels = [
        routing.Parcel(message=message, kind=envelope.notification.kind)
        for envelope in envelopes
        for message in envelope.messages
    ]
    plan = routing.plan(channel, parcels, turn=turn)
    replies = _replies(channel, parcels, plan, turn=turn, until=until)
    return _rounds(envelopes, parcels, plan, replies, started_at=started_at)


def _rounds(
    envelopes: Sequence[Envelope],
    parcels: Sequence[routing.Parcel],
    plan: routing.Plan,
    parts: Iterator[dict[int, Reply | None]],
    *,
    started_at: datetime,
) -> Iterator[list[Round]]:
    """Gather answers into rounds; one has ended when all its messages are answered or held."""
    places = iter(range(len(parcels)))
    awaited = [(envelope, list(islice(places, len(envelope.messages)))) for envelope in envelopes]
    replies: dict[int, Reply | None] = {}

    def round_of(envelope: Envelope, own: Sequence[int]) -> Round:
        return Round(
            notification=envelope.notification,
            started_at=started_at,
            accepted_before=envelope.accepted_before,
            unknown_before=envelope.unknown_before,
            calls=[
                Call(
                    message=parcels[place].message,
                    provider=plan.provider.get(place, ""),
                    reply=replies.get(place),
                    held=plan.held.get(place),
                )
                for place in own
            ],
        )

    for part in parts:
        replies.update(part)
        open_places = plan.provider.keys() - replies.keys()
        ended: list[tuple[Envelope, list[int]]] = []
        still: list[tuple[Envelope, list[int]]] = []
        for envelope, own in awaited:
            (ended if open_places.isdisjoint(own) else still).append((envelope, own))
        awaited = still
        # Also where nothing has ended: the lease of what is on the wire has to be renewed.
        yield [round_of(envelope, own) for envelope, own in ended]
    if awaited:
        yield [round_of(envelope, own) for envelope, own in awaited]


def _replies(
    channel: Channel,
    parcels: Sequence[routing.Parcel],
    plan: routing.Plan,
    *,
    turn: limits.Turn,
    until: float,
) -> Iterator[dict[int, Reply | None]]:
    """Send what has a provider, and tell breakers and limits what came of it.

    Returns:
        Answers by the place of their parcel, each once.
    """
    began = time.time()
    begun: list[tuple[str, list[int], Iterator[dict[int, Reply | None]]]] = []
    for name in dict.fromkeys(plan.provider.values()):
        places = [place for place, provider in plan.provider.items() if provider == name]
        messages = [parcels[place].message for place in places]
        sender = provider(name, channel=channel)
        urgent = turn.urgency is queues.Urgency.URGENT
        parts = sender.send_parts(messages, until=until, seconds=RECORD_SECONDS, urgent=urgent)
        begun.append((name, places, parts))

    def told() -> Iterator[dict[int, Reply | None]]:
        for name, places, parts in begun:
            for part in parts:
                own = {places[place]: reply for place, reply in sorted(part.items())}
                if own and name != routing.SANDBOX:
                    own = _told(channel, name, own, plan, turn=turn, began=began)
                yield own

    return told()


def _told(
    channel: Channel,
    name: str,
    replies: dict[int, Reply | None],
    plan: routing.Plan,
    *,
    turn: limits.Turn,
    began: float,
) -> dict[int, Reply | None]:
    """Tell breakers and limits, and return the answers as they are believed."""
    if channel is Channel.PUSH:
        own = routing.breakers_of(name, channel)
        believed = breakers.doubted(name, list(replies.values()), breakers=own)
        replies = dict(zip(replies, believed, strict=True))
    answered = {place: reply for place, reply in replies.items() if reply is not None}
    limits.give_back(name, count=len(replies) - len(answered), turn=turn)
    limits.report(name, list(answered.values()), began=began)
    by_breaker: dict[str, list[Reply]] = {}
    for place, reply in answered.items():
        by_breaker.setdefault(plan.breaker[place], []).append(reply)
    for breaker, own_replies in by_breaker.items():
        breakers.report(breaker, breakers.tally(own_replies))
    return replies
