"""The outgoing limits as the pipeline uses them: take tokens, report replies."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from django.conf import settings

from apps.common.redis.shared_state import SharedState, StateType
from apps.notifications.flow_control.limits import bucket as buckets
from apps.notifications.flow_control.limits.adaptive_rate import (
    FLOOR_PER_SECOND,
    AdaptiveRate,
    PendingStats,
    adapted,
    allowed,
    counted,
)
from apps.notifications.flow_control.limits.bucket import Bucket, Grant, RequestClass
from apps.notifications.providers.base import Reply

log = structlog.get_logger(__name__)

# The rate of a provider is read from Redis this often, and cached in between. With half a second,
# the other of two workers learned of the first cut too late: 140 to 230 mails were refused in the
# first second, with a tenth of a second 110 to 135.
READ_SECONDS = 0.1
# Replies that ask for nothing are reported together, this often.
REPORT_SECONDS = 1.0
# A provider that nobody has called for this long begins anew. Longer than any wait queue.
FORGOTTEN_SECONDS = 3600
ALONE = "each process has outgoing limits of its own: no Redis"

RATES: SharedState[AdaptiveRate] = SharedState(
    StateType(
        prefix="notifications:rate:",
        read=lambda fields: AdaptiveRate(**fields),
        forgotten_seconds=FORGOTTEN_SECONDS,
    ),
    consequence=ALONE,
)
BUCKETS: SharedState[Bucket] = SharedState(
    StateType(
        prefix="notifications:bucket:",
        read=lambda fields: Bucket(**fields),
        forgotten_seconds=FORGOTTEN_SECONDS,
    ),
    consequence=ALONE,
)
_cached: dict[str, tuple[float, AdaptiveRate]] = {}
_pending: dict[str, PendingStats] = {}
_reported_at: dict[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The limit of a provider as it is now.

    Attributes:
        per_second: Calls a second that may be made; None means any number.
        maximum_per_second: The configured limit.
        slowed: Whether the provider asked for fewer calls and is not back at the maximum.
        paused_until: The provider wants no call before; None where it did not say so.
    """

    per_second: float | None
    maximum_per_second: float | None
    slowed: bool
    paused_until: datetime | None


def take(provider: str, *, wanted: int, request: RequestClass) -> Grant:
    """Ask for calls: without a limit no call to Redis, else one change of a bucket."""
    rate, pause = _allowed(provider)
    if rate is None and not pause:
        return Grant(count=wanted)
    grants: list[Grant] = []

    def change(before: Bucket) -> Bucket:
        after, grant = buckets.taken(
            before,
            request,
            wanted=wanted,
            rate=rate or FLOOR_PER_SECOND,
            pause_seconds=pause,
            now=time.time(),
        )
        grants.append(grant)
        return after

    BUCKETS.update(provider, change)
    return grants[-1]


def report(provider: str, replies: Iterable[Reply], *, began: float) -> None:
    """Report replies: at once where the provider asks for fewer calls, else once a second.

    Args:
        provider: Its name.
        replies: The replies of one chunk.
        began: When its calls began, Unix seconds.
    """
    now = time.time()
    stats = counted(replies, began=began)
    earlier = _pending.pop(provider, PendingStats(calls=0, taken=0))
    stats = replace(stats, calls=stats.calls + earlier.calls, taken=stats.taken + earlier.taken)
    if not stats.slower and now - _reported_at.get(provider, 0.0) < REPORT_SECONDS:
        _pending[provider] = stats
        return
    _reported_at[provider], maximum = now, _maximum(provider)
    before: list[AdaptiveRate] = []

    def change(rate: AdaptiveRate) -> AdaptiveRate:
        before.append(rate)
        return adapted(rate, stats, maximum=maximum, now=now)

    after = RATES.update(provider, change)
    _cached[provider] = (now, after)
    if after.cut_at > before[-1].cut_at:
        log.warning(
            "provider asks for fewer calls",
            provider=provider,
            per_second=after.rate,
            before=before[-1].rate,
            paused_seconds=round(max(0.0, after.paused_until - now), 1),
        )
    elif before[-1].rate is not None and after.rate is None:
        log.info("provider takes all calls again", provider=provider)


def shown(provider: str) -> Shown:
    """Return the limit of a provider as it is now."""
    rate, maximum = RATES.read(provider), _maximum(provider)
    paused = rate.paused_until > time.time()
    return Shown(
        per_second=allowed(rate, maximum=maximum),
        maximum_per_second=maximum,
        slowed=rate.rate is not None,
        paused_until=datetime.fromtimestamp(rate.paused_until, UTC) if paused else None,
    )


def releasable(provider: str) -> int:
    """Return how many waiting messages could be sent now; 0 where none waits."""
    limit, bucket = shown(provider), BUCKETS.read(provider)
    if limit.paused_until:
        return 0
    return buckets.releasable(bucket, rate=limit.per_second, now=time.time())


def end_queues(provider: str) -> None:
    """Forget the times that were given out: no message waits for them any more."""
    BUCKETS.update(provider, lambda bucket: replace(bucket, queues={}))


def lift(provider: str) -> None:
    """Forget what a provider asked for; its configured maximum stays."""
    _cached.pop(provider, None)
    RATES.update(provider, lambda _: AdaptiveRate())
    log.warning("provider limit lifted by hand", provider=provider)


def forget() -> None:
    """Forget what this process keeps, as a new one would; for tests."""
    RATES.forget()
    BUCKETS.forget()
    for kept in (_cached, _pending, _reported_at):
        kept.clear()


def _maximum(provider: str) -> float | None:
    found: float | None = settings.PROVIDER_MAX_PER_SECOND.get(provider)
    return found


def _allowed(provider: str) -> tuple[float | None, float]:
    """Return the calls a second that may be made, and for how many seconds none."""
    now = time.time()
    read_at, rate = _cached.get(provider, (0.0, AdaptiveRate()))
    if now - read_at >= READ_SECONDS:
        rate = RATES.read(provider)
        _cached[provider] = (now, rate)
    return allowed(rate, maximum=_maximum(provider)), max(0.0, rate.paused_until - now)
