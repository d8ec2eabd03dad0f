"""Deliver one chunk: claim, prepare, send, record. Nothing is locked while it is on the wire."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.notifications import breakers, limits, queues
from apps.notifications.delivery import again, record, routing
from apps.notifications.delivery.again import Again
from apps.notifications.delivery.claim import claim
from apps.notifications.delivery.prepare import Envelope, prepare
from apps.notifications.delivery.retry import Policy
from apps.notifications.models import Notification
from apps.notifications.providers.base import Reply
from apps.notifications.providers.registry import provider
from apps.notifications.queues import Channel

# A chunk ends well within its lease, and within the broker's patience at a shutdown.
CHUNK_SECONDS = 8.0
# Bulk chunks make way sooner, so that a slow provider does not keep a worker to itself.
BULK_CHUNK_SECONDS = 2.0
# What was accepted is recorded after this long at the latest, also while other calls of the chunk
# hang: a worker that dies then has less to send twice.
RECORD_SECONDS = 0.5


def deliver(*, channel: Channel, ids: Sequence[UUID], attempt: int) -> list[Again]:
    """Deliver the notifications of one message.

    Args:
        channel: The channel of all of them.
        ids: At most ``queues.CHUNK_SIZE`` notifications.
        attempt: Attempts spent when the message was published.

    Returns:
        The groups that have to be put on the broker again.
    """
    claimed = claim(ids, attempt=attempt)
    now = timezone.now()
    waits = again.group(
        [(row, row.attempts, row.next_attempt_at) for row in claimed.early], now=now
    )
    if not claimed.rows:
        return waits
    prepared = prepare(claimed.rows, now=now)
    bulk = all(queues.is_bulk(row.lane) for row in claimed.rows)
    until = time.monotonic() + (BULK_CHUNK_SECONDS if bulk else CHUNK_SECONDS)
    hindered = prepared.hindered
    parts = _send(channel, prepared.envelopes, turn=_turn(claimed.rows), until=until)
    for rounds in parts:
        waits += record.outcomes(claimed.id, rounds=rounds, hindered=hindered, policy=policy())
        hindered = []
    if hindered:
        waits += record.outcomes(claimed.id, rounds=[], hindered=hindered, policy=policy())
    return waits


def policy() -> Policy:
    """Read the retry policy from the settings."""
    return Policy(
        max_attempts=settings.RETRY_MAX_ATTEMPTS,
        base_seconds=settings.RETRY_BASE_SECONDS,
        max_seconds=settings.RETRY_MAX_SECONDS,
    )


def _turn(rows: Sequence[Notification]) -> limits.Turn:
    """Say how a chunk stands to others under a limit; it is of one lane."""
    return limits.Turn(
        urgency=queues.urgency_of(rows[0].lane),
        # A due time is kept from the round that set it.
        returning=all(row.next_attempt_at is not None for row in rows),
    )


def _send(
    channel: Channel, envelopes: Sequence[Envelope], *, turn: limits.Turn, until: float
) -> Iterator[list[record.Round]]:
    """Take the messages of all envelopes to the wire side by side, each by its provider.

    Yields:
        The rounds that have ended since the last time: what a provider accepted is recorded soon,
        also while another call of the chunk hangs.
    """
    parcels = [
        routing.Parcel(message=message, kind=envelope.notification.kind)
        for envelope in envelopes
        for message in envelope.messages
    ]
    places = iter(range(len(parcels)))
    awaited = [(envelope, list(islice(places, len(envelope.messages)))) for envelope in envelopes]
    plan = routing.plan(channel, parcels, turn=turn)
    started_at = timezone.now()
    replies: dict[int, Reply | None] = {}

    def round_of(envelope: Envelope, own: Sequence[int]) -> record.Round:
        return record.Round(
            notification=envelope.notification,
            started_at=started_at,
            accepted_before=envelope.accepted_before,
            calls=[
                record.Call(
                    message=parcels[place].message,
                    provider=plan.provider.get(place, ""),
                    reply=replies.get(place),
                    held=plan.held.get(place),
                )
                for place in own
            ],
        )

    for part in _replies(channel, parcels, plan, turn=turn, until=until):
        replies.update(part)
        open_places = plan.provider.keys() - replies.keys()
        ended: list[tuple[Envelope, list[int]]] = []
        still: list[tuple[Envelope, list[int]]] = []
        for envelope, own in awaited:
            (ended if open_places.isdisjoint(own) else still).append((envelope, own))
        awaited = still
        if ended:
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

    Yields:
        Answers by the place of their parcel, each once.
    """
    for name in dict.fromkeys(plan.provider.values()):
        places = [place for place, provider in plan.provider.items() if provider == name]
        messages = [parcels[place].message for place in places]
        began = time.time()
        sender = provider(name, channel=channel)
        for part in sender.send_parts(messages, until=until, seconds=RECORD_SECONDS):
            own = {places[place]: reply for place, reply in sorted(part.items())}
            if name != routing.SANDBOX:
                own = _told(channel, name, own, plan, turn=turn, began=began)
            yield own


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
