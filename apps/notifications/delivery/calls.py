"""Send the messages of a chunk to providers and yield the replies as they arrive."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from apps.common.channels import Channel
from apps.notifications.broker import topology
from apps.notifications.delivery import route
from apps.notifications.delivery.attempt_rounds import AttemptRound, Call
from apps.notifications.delivery.prepare import Envelope
from apps.notifications.flow_control import breakers, limits
from apps.notifications.providers.base import Reply
from apps.notifications.providers.registry import provider

# Accepted messages are recorded after at most this time, even while other calls of the chunk are
# still in flight. If the worker dies, fewer messages are sent twice.
RECORD_SECONDS = 0.5


def begin(
    channel: Channel,
    envelopes: Sequence[Envelope],
    *,
    request: limits.RequestClass,
    until: float,
    started_at: datetime,
) -> Iterator[list[AttemptRound]]:
    """Send the messages of all envelopes concurrently, each with its provider.

    Returns:
        An iterator over lists of the rounds that have ended since the previous list. A list is
        empty if all open calls are still in flight. The caller can thus record acceptances soon,
        even while another call of the chunk hangs.
    """
    outgoing_messages = [
        route.OutgoingMessage(message=message, kind=envelope.notification.kind)
        for envelope in envelopes
        for message in envelope.messages
    ]
    plan = route.plan(channel, outgoing_messages, request=request)
    replies = _replies(channel, outgoing_messages, plan, request=request, until=until)
    return _rounds(envelopes, outgoing_messages, plan, replies, started_at=started_at)


def _rounds(
    envelopes: Sequence[Envelope],
    outgoing_messages: Sequence[route.OutgoingMessage],
    plan: route.Plan,
    parts: Iterator[dict[int, Reply | None]],
    *,
    started_at: datetime,
) -> Iterator[list[AttemptRound]]:
    """Group replies into rounds. A round ends when each of its messages is answered or held."""
    places = iter(range(len(outgoing_messages)))
    awaited = [(envelope, list(islice(places, len(envelope.messages)))) for envelope in envelopes]
    replies: dict[int, Reply | None] = {}

    def round_of(envelope: Envelope, own: Sequence[int]) -> AttemptRound:
        return AttemptRound(
            notification=envelope.notification,
            started_at=started_at,
            accepted_before=envelope.accepted_before,
            unknown_before=envelope.unknown_before,
            calls=[
                Call(
                    message=outgoing_messages[place].message,
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
        # Yield even if no round has ended, because the caller must renew the lease of rows that
        # are in flight.
        yield [round_of(envelope, own) for envelope, own in ended]
    if awaited:
        yield [round_of(envelope, own) for envelope, own in awaited]


def _replies(
    channel: Channel,
    outgoing_messages: Sequence[route.OutgoingMessage],
    plan: route.Plan,
    *,
    request: limits.RequestClass,
    until: float,
) -> Iterator[dict[int, Reply | None]]:
    """Send the messages that have a provider, and report the results to breakers and limits.

    Returns:
        An iterator over replies by the index of their message, each reply once.
    """
    began = time.time()
    begun: list[tuple[str, list[int], Iterator[dict[int, Reply | None]]]] = []
    for name in dict.fromkeys(plan.provider.values()):
        places = [place for place, provider in plan.provider.items() if provider == name]
        messages = [outgoing_messages[place].message for place in places]
        sender = provider(name, channel=channel)
        urgent = request.urgency is topology.Urgency.URGENT
        parts = sender.send_parts(messages, until=until, seconds=RECORD_SECONDS, urgent=urgent)
        begun.append((name, places, parts))

    def reported() -> Iterator[dict[int, Reply | None]]:
        for name, places, parts in begun:
            for part in parts:
                own = {places[place]: reply for place, reply in sorted(part.items())}
                if own and name != route.SANDBOX:
                    own = _reported(channel, name, own, plan, began=began)
                yield own

    return reported()


def _reported(
    channel: Channel,
    name: str,
    replies: dict[int, Reply | None],
    plan: route.Plan,
    *,
    began: float,
) -> dict[int, Reply | None]:
    """Report replies to breakers and limits, and return the replies after the sender id check."""
    if channel is Channel.PUSH:
        own = route.breakers_of(name, channel)
        believed = breakers.with_doubtful_mismatches(name, list(replies.values()), breakers=own)
        replies = dict(zip(replies, believed, strict=True))
    answered = {place: reply for place, reply in replies.items() if reply is not None}
    limits.report(name, list(answered.values()), began=began)
    by_breaker: dict[str, list[Reply]] = {}
    for place, reply in answered.items():
        by_breaker.setdefault(plan.breaker[place], []).append(reply)
    for breaker, own_replies in by_breaker.items():
        breakers.report(breaker, breakers.tally(own_replies))
    return replies
