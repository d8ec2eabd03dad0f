"""What the pipeline asks of the limits: may these calls go, and this is what they came to."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings

from apps.notifications.flow_control.limits.adaptive_rate import (
    FLOOR_PER_SECOND,
    AdaptiveRate,
    PendingStats,
    adapted,
    allowed,
)
from apps.notifications.flow_control.limits.bucket import Demand, Turn, turns
from apps.notifications.flow_control.limits.bucket import room as free_turns
from apps.notifications.flow_control.limits.lease import LEASE_PART_SECONDS, Leases
from apps.notifications.flow_control.limits.stats import stats as counted
from apps.notifications.flow_control.limits.store import SharedBuckets, shared_rates
from apps.notifications.providers.base import Reply

log = structlog.get_logger(__name__)

# What is known about a provider is looked at this often; in between it holds, and costs nothing.
LOOK_SECONDS = 0.5
# Answers that ask for nothing are told together, this often.
TELL_SECONDS = 1.0

_paces = shared_rates()
_buckets = SharedBuckets()
_leases = Leases()
_looked: dict[str, tuple[float, AdaptiveRate]] = {}
_pending: dict[str, PendingStats] = {}
_told_at: dict[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Permit:
    """How many calls may go now.

    Attributes:
        count: The first so many.
        turns: When each of the others should ask again.
        paused: Whether the provider wants no call at all now.
    """

    count: int
    turns: list[datetime] = field(default_factory=list)
    paused: bool = False


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A provider's limit as it stands.

    Attributes:
        per_second: Calls a second that may be made now; None means any number.
        maximum_per_second: The configured limit.
        slowed: Whether the provider asked for fewer calls and has not got back to the maximum.
        paused_until: The provider wants no call before; None where it did not say so.
    """

    per_second: float | None
    maximum_per_second: float | None
    slowed: bool
    paused_until: datetime | None


def take(provider: str, *, wanted: int, turn: Turn) -> Permit:
    """Ask for calls. Free while the provider is unlimited, else one call to Redis at most."""
    now = time.time()
    pace = _known(provider, now)
    rate = allowed(pace, maximum=_maximum(provider))
    pause = max(0.0, pace.paused_until - now)
    if rate is None and not pause:
        return Permit(count=wanted)
    rate = rate or FLOOR_PER_SECOND
    own = 0 if pause else _leases.spend((provider, turn.urgency), wanted=wanted)
    if own == wanted:
        return Permit(count=wanted)
    need = wanted - own
    spare = int(rate * LEASE_PART_SECONDS)
    grant = _buckets.take(
        provider, Demand(need=need, spare=spare, rate=rate, turn=turn, pause_seconds=pause)
    )
    if grant.count > need:
        _leases.add((provider, turn.urgency), grant.count - need)
    count = own + min(need, grant.count)
    present = datetime.fromtimestamp(now, UTC)
    seconds = turns(grant, waiting=wanted - count, rate=rate)
    return Permit(
        count=count,
        turns=[present + timedelta(seconds=each) for each in seconds],
        paused=pause > 0,
    )


def give_back(provider: str, *, count: int, turn: Turn) -> None:
    """Give back calls that were not made after all, for the next who asks in this process."""
    pace = _known(provider, time.time())
    if count and allowed(pace, maximum=_maximum(provider)) is not None:
        _leases.add((provider, turn.urgency), count)


def report(provider: str, replies: Iterable[Reply], *, began: float) -> None:
    """Tell what calls came to: at once where the provider asks for fewer, else once a second.

    Args:
        provider: Its name.
        replies: The answers of one chunk.
        began: When its calls began, Unix seconds.
    """
    now = time.time()
    fresh = counted(replies, began=began)
    earlier = _pending.get(provider, PendingStats(calls=0, taken=0))
    together = replace(fresh, calls=fresh.calls + earlier.calls, taken=fresh.taken + earlier.taken)
    if not fresh.slower and now - _told_at.get(provider, 0.0) < TELL_SECONDS:
        _pending[provider] = together
        return
    _pending.pop(provider, None)
    _told_at[provider] = now
    maximum = _maximum(provider)
    before: list[AdaptiveRate] = []

    def change(pace: AdaptiveRate) -> AdaptiveRate:
        before.append(pace)
        return adapted(pace, together, maximum=maximum, now=now)

    after = _paces.update(provider, change)
    _looked[provider] = (now, after)
    _log_change(provider, before[-1], after)


def shown(provider: str) -> Shown:
    """Return a provider's limit as it stands."""
    pace = _paces.read(provider)
    maximum = _maximum(provider)
    paused = pace.paused_until > time.time()
    return Shown(
        per_second=allowed(pace, maximum=maximum),
        maximum_per_second=maximum,
        slowed=pace.rate is not None,
        paused_until=datetime.fromtimestamp(pace.paused_until, UTC) if paused else None,
    )


def room(provider: str) -> int:
    """Return how many of those who wait for their turn could go now; 0 where nobody waits."""
    bucket, now = _buckets.read(provider)
    pace = _paces.read(provider)
    if pace.paused_until > time.time():
        return 0
    return free_turns(bucket, rate=allowed(pace, maximum=_maximum(provider)), now=now)


def end_lines(provider: str) -> None:
    """Forget the turns that were given out: nobody waits for them any more."""
    _buckets.end_lines(provider)


def lift(provider: str) -> None:
    """Forget what a provider asked for; its configured maximum stays."""
    _looked.pop(provider, None)
    _paces.update(provider, lambda _: AdaptiveRate())
    log.warning("provider limit lifted by hand", provider=provider)


def forget() -> None:
    """Begin anew, for tests: what this process remembers and keeps."""
    global _paces, _buckets, _leases
    _paces, _buckets, _leases = shared_rates(), SharedBuckets(), Leases()
    for memory in (_looked, _pending, _told_at):
        memory.clear()


def _maximum(provider: str) -> float | None:
    found: float | None = settings.PROVIDER_MAX_PER_SECOND.get(provider)
    return found


def _known(provider: str, now: float) -> AdaptiveRate:
    looked_at, pace = _looked.get(provider, (0.0, AdaptiveRate()))
    if now - looked_at >= LOOK_SECONDS:
        pace = _paces.read(provider)
        _looked[provider] = (now, pace)
    return pace


def _log_change(provider: str, before: AdaptiveRate, after: AdaptiveRate) -> None:
    if after.cut_at > before.cut_at:
        log.warning(
            "provider asks for fewer calls",
            provider=provider,
            per_second=after.rate,
            before=after.cut_from,
            paused_seconds=round(max(0.0, after.paused_until - after.cut_at), 1),
        )
    elif before.rate is not None and after.rate is None:
        log.info("provider takes all calls again", provider=provider)
