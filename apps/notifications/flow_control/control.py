"""The state of every provider and the changes by staff, shared by API, metrics and admin."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from apps.common.channels import Channel
from apps.notifications.delivery import route
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.breakers import Circuit, Forced, State
from apps.notifications.providers.registry import PROVIDERS, providers_for

log = structlog.get_logger(__name__)

# What was read for the same answer is not read again.
JUST_READ_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class BreakerState:
    """One circuit breaker.

    Attributes:
        name: The name, such as ``fcm:ios``.
        platform: The platform behind the provider; empty for mail.
        state: The state that applies, including an override by staff.
        forced: The override by staff.
        reason: Why it opened.
        since: When it left the closed state or was forced; None while it is closed.
        next_probe_at: When it admits probes; None unless it opened automatically.
        forced_until: When the override ends by itself; None if it lasts until it is given back.
        forced_why: Why it is forced, in the words of who did it.
        forced_by: Who forced it; empty if it is not known.
    """

    name: str
    platform: str
    state: State
    forced: Forced
    reason: str
    since: datetime | None
    next_probe_at: datetime | None
    forced_until: datetime | None = None
    forced_why: str = ""
    forced_by: str = ""


@dataclass(frozen=True, kw_only=True)
class ProviderState:
    """One provider of one channel.

    Attributes:
        preference: 1 for the preferred provider of its channel; None if it is not configured.
        breakers: One for each platform of push, else one; none for the sandbox.
        limit: The rate limit in calls per second.
    """

    name: str
    channel: Channel
    preference: int | None
    breakers: list[BreakerState]
    limit: limits.Shown


def configured() -> Iterator[ProviderState]:
    """Return the configured providers, by channel and preference."""
    for channel in Channel:
        for place, name in enumerate(providers_for(channel), start=1):
            yield _state(name, channel, place)


def known() -> Iterator[ProviderState]:
    """Return every provider that has breakers, per channel with the configured ones first."""
    for channel in Channel:
        chosen = providers_for(channel)
        others = [name for name in PROVIDERS[channel] if name not in chosen]
        for place, name in enumerate([*chosen, *others], start=1):
            if name != route.SANDBOX:
                yield _state(name, channel, place if name in chosen else None)


def breakers_of(provider: str) -> list[BreakerState]:
    """Return the breakers of a provider; an empty list for an unknown provider."""
    return [
        _breaker(name)
        for channel, names in PROVIDERS.items()
        if provider in names
        for name in route.breakers_of(provider, channel)
    ]


def forced_now(*, cached_seconds: float) -> list[BreakerState]:
    """Return the breakers that are forced by hand.

    Args:
        cached_seconds: How old a state that this process has read may be.
    """
    names = [
        breaker
        for channel, providers in PROVIDERS.items()
        for provider in providers
        for breaker in route.breakers_of(provider, channel)
    ]
    found = (_breaker(name, cached_seconds=cached_seconds) for name in names)
    return [breaker for breaker in found if breaker.forced is not Forced.AUTO]


def force(
    provider: str,
    forced: Forced,
    *,
    by: str,
    only: str = "",
    seconds: float | None = None,
    reason: str = "",
) -> list[BreakerState]:
    """Force breakers of a provider open or closed, or set them back to automatic.

    Args:
        provider: The provider's name.
        forced: The override to set.
        by: The user who sets it, for the log and for those who see it.
        only: The name of a single breaker; by default all breakers of the provider.
        seconds: After how long it ends by itself; None if it lasts until it is given back.
        reason: Why, for those who see it.

    Returns:
        The changed breakers; an empty list for an unknown provider or breaker.
    """
    names = [each.name for each in breakers_of(provider) if only in {"", each.name}]
    if names:
        breakers.force(names, forced, seconds=seconds, reason=reason, by=by)
        log.warning("breaker forced by", breakers=names, state=forced.value, by=by)
    return [_breaker(name) for name in names]


def lift_limit(provider: str, *, by: str) -> bool:
    """Remove the limits that a provider's replies requested; its configured maximum stays.

    Returns:
        Whether the provider exists.
    """
    if not breakers_of(provider):
        return False
    limits.lift(provider)
    log.warning("limit lifted by", provider=provider, by=by)
    return True


def _state(name: str, channel: Channel, preference: int | None) -> ProviderState:
    return ProviderState(
        name=name,
        channel=channel,
        preference=preference,
        breakers=[_breaker(breaker) for breaker in route.breakers_of(name, channel)],
        limit=limits.shown(name),
    )


def _breaker(name: str, *, cached_seconds: float = 0.0) -> BreakerState:
    circuit = breakers.shown(name, cached_seconds=cached_seconds)
    hold = breakers.hold_of(name, cached_seconds=max(cached_seconds, JUST_READ_SECONDS))
    opens_by_itself = circuit.state is State.OPEN and circuit.forced is Forced.AUTO
    return BreakerState(
        name=name,
        platform=name.partition(":")[2],
        state=circuit.effective,
        forced=circuit.forced,
        reason=circuit.reason,
        since=_moment(_since(circuit)),
        next_probe_at=_moment(circuit.opens_again_at) if opens_by_itself else None,
        forced_until=_moment(hold.until),
        forced_why=hold.reason,
        forced_by=hold.by,
    )


def _since(circuit: Circuit) -> float:
    return circuit.since if circuit.forced is Forced.AUTO else circuit.forced_at


def _moment(unix: float) -> datetime | None:
    return datetime.fromtimestamp(unix, UTC) if unix else None
