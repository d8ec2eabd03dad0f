"""Deliver one chunk: claim, prepare, send, record. Nothing is locked while it is on the wire."""

import time
from collections.abc import Sequence
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
    rounds = _send(channel, prepared.envelopes, turn=_turn(claimed.rows), until=until)
    return waits + record.outcomes(
        claimed.id, rounds=rounds, hindered=prepared.hindered, policy=policy()
    )


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
) -> list[record.Round]:
    """Take the messages of all envelopes to the wire side by side, each by its provider."""
    parcels = [
        routing.Parcel(message=message, kind=envelope.notification.kind)
        for envelope in envelopes
        for message in envelope.messages
    ]
    plan = routing.plan(channel, parcels, turn=turn)
    started_at = timezone.now()
    replies = _replies(channel, parcels, plan, turn=turn, until=until)
    calls = (
        record.Call(
            message=parcel.message,
            provider=plan.provider.get(place, ""),
            reply=replies.get(place),
            held=plan.held.get(place),
        )
        for place, parcel in enumerate(parcels)
    )
    return [
        record.Round(
            notification=envelope.notification,
            started_at=started_at,
            accepted_before=envelope.accepted_before,
            calls=list(islice(calls, len(envelope.messages))),
        )
        for envelope in envelopes
    ]


def _replies(
    channel: Channel,
    parcels: Sequence[routing.Parcel],
    plan: routing.Plan,
    *,
    turn: limits.Turn,
    until: float,
) -> dict[int, Reply | None]:
    """Send what has a provider, and tell breakers and limits what came of it."""
    replies: dict[int, Reply | None] = {}
    for name in dict.fromkeys(plan.provider.values()):
        places = [place for place, provider in plan.provider.items() if provider == name]
        messages = [parcels[place].message for place in places]
        began = time.time()
        answers = provider(name, channel=channel).send_all(messages, until=until)
        if channel is Channel.PUSH and name != routing.SANDBOX:
            own = routing.breakers_of(name, channel)
            answers = breakers.doubted(name, answers, breakers=own)
        replies.update(zip(places, answers, strict=True))
        if name != routing.SANDBOX:
            answered = [reply for reply in answers if reply is not None]
            limits.give_back(name, count=len(answers) - len(answered), turn=turn)
            limits.report(name, answered, began=began)
    for breaker in dict.fromkeys(plan.breaker.values()):
        if breaker:
            places = [place for place, own in plan.breaker.items() if own == breaker]
            answered = [reply for place in places if (reply := replies[place]) is not None]
            breakers.report(breaker, breakers.tally(answered))
    return replies
