"""Judge what comes after composing: size, limits, breakers, and which provider would take it.

Only what is stored is read: no probe of a breaker and no token of a limit is used up.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from apps.common.callers import Kind
from apps.notifications.delivery.route import SANDBOX, OutgoingMessage
from apps.notifications.explain.verdicts import Judged, Outcome, Verdict
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers.circuit import admitted
from apps.notifications.lifecycle.reasons import explained
from apps.notifications.models import Notification
from apps.notifications.providers import registry
from apps.notifications.providers.base import Mail, Push

TEST = "A test key's messages go to the sandbox and to nobody else."
LATER = "Providers are judged when it is due."


def judge(
    row: Notification, messages: Sequence[Mail] | Sequence[Push], *, is_later: bool
) -> tuple[str | None, list[Judged]]:
    """Judge the messages of a notification.

    Args:
        row: The notification.
        messages: One mail, or a push for each device.
        is_later: Whether it is planned for later, when providers may be in another state.

    Returns:
        The provider that would take the first message, and the verdicts.
    """
    names = [SANDBOX] if row.kind == Kind.TEST else registry.providers_for(row.channel)
    if row.kind == Kind.TEST:
        return SANDBOX, [Judged(rule="provider", detail=TEST)]
    size = _size(names[0], row.channel, messages)
    if size is not None:
        return None, [size]
    judged = [Judged(rule="size", detail="It is not too large.")]
    if is_later:
        return names[0], [*judged, Judged(rule="provider", detail=LATER)]
    outgoing = OutgoingMessage(message=messages[0], kind=row.kind)
    taken_by, waits = _taken_by(names, outgoing.platform)
    return taken_by, [*judged, *_of_provider(taken_by, waits)]


def _size(provider: str, channel: str, messages: Sequence[Mail] | Sequence[Push]) -> Judged | None:
    """Return the verdict if the preferred provider refuses every message without a call."""
    found = registry.provider(provider, channel=channel)
    replies = [found.refused(message) for message in messages]
    refusals = [reply for reply in replies if reply is not None]
    if not refusals or len(refusals) < len(replies):
        return None
    reason = refusals[0].reason
    return Judged(
        rule="size",
        verdict=Verdict.STOP,
        detail=explained(reason).sentence,
        outcome=Outcome.REFUSE,
        reason=reason,
    )


def _taken_by(names: Sequence[str], platform: str) -> tuple[str | None, dict[str, datetime]]:
    """Return the provider that takes a message now, and until when those before it take none."""
    waits: dict[str, datetime] = {}
    for name in names:
        until = _waits_until(name, platform)
        if until is None:
            return name, waits
        waits[name] = until
    return None, waits


def _waits_until(provider: str, platform: str) -> datetime | None:
    """Return until when a provider takes no message; None if it takes one now."""
    if provider == SANDBOX:
        return None
    now = time.time()
    circuit = breakers.shown(breakers.breaker_name(provider, platform))
    _, count, retry_at = admitted(circuit, wanted=1, now=now)
    if count == 0:
        return datetime.fromtimestamp(retry_at, UTC)
    return limits.shown(provider).paused_until


def _of_provider(taken_by: str | None, waits: dict[str, datetime]) -> Iterator[Judged]:
    """Yield the verdict about the providers."""
    passed_over = f" {', '.join(waits)} takes none now." if waits else ""
    if taken_by is not None:
        yield Judged(rule="provider", detail=f"{taken_by} would take it.{passed_over}")
        return
    yield Judged(
        rule="provider",
        verdict=Verdict.POSTPONE,
        detail=f"No provider takes it now: {', '.join(waits)}.",
        outcome=Outcome.POSTPONE,
        at=min(waits.values()),
    )
