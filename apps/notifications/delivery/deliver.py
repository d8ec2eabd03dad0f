"""Deliver one chunk: claim, prepare, send, record. Nothing is locked while it is on the wire."""

import time
from collections.abc import Iterable, Sequence
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.common.callers import Kind
from apps.notifications import queues
from apps.notifications.delivery import again, record
from apps.notifications.delivery.again import Again
from apps.notifications.delivery.claim import claim
from apps.notifications.delivery.prepare import Envelope, prepare
from apps.notifications.delivery.retry import Policy
from apps.notifications.providers.registry import provider, providers_for
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
    rounds: list[record.Round] = []
    for name, envelopes in _by_provider(channel, prepared.envelopes).items():
        rounds += _send(name, channel, envelopes, until=until)
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


def _by_provider(channel: Channel, envelopes: Iterable[Envelope]) -> dict[str, list[Envelope]]:
    """Choose the provider of each envelope: test notifications reach only the sandbox."""
    chosen: dict[str, list[Envelope]] = {}
    preferred = providers_for(channel)[0]
    for envelope in envelopes:
        live = envelope.notification.kind == Kind.LIVE
        chosen.setdefault(preferred if live else "sandbox", []).append(envelope)
    return chosen


def _send(
    name: str, channel: Channel, envelopes: list[Envelope], *, until: float
) -> list[record.Round]:
    """Take the messages of all envelopes to the wire side by side."""
    started_at = timezone.now()
    messages = [message for envelope in envelopes for message in envelope.messages]
    replies = iter(provider(name, channel=channel).send_all(messages, until=until))
    return [
        record.Round(
            notification=envelope.notification,
            provider=name,
            started_at=started_at,
            accepted_before=envelope.accepted_before,
            calls=list(
                zip(envelope.messages, islice(replies, len(envelope.messages)), strict=True)
            ),
        )
        for envelope in envelopes
    ]
