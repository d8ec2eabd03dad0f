"""The outgoing limits as the pipeline uses them: take tokens, report replies."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from django.conf import settings

from apps.common.redis.shared_state import SharedState, StateType
from apps.notifications.flow_control.limits.adaptive_rate import PendingStats
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

BUCKETS = SharedState(
    StateType(prefix="notifications:limit:", read=Bucket, forgotten_seconds=FORGOTTEN_SECONDS),
    consequence="each process has outgoing limits of its own: no Redis",
)
# What is not reported yet, and when the last report was, by provider.
_pending: dict[str, tuple[float, PendingStats]] = {}


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
    maximum = _maximum(provider)
    if BUCKETS.read(provider, cached_seconds=READ_SECONDS).allowed(maximum) is None:
        return Grant(count=wanted)
    return BUCKETS.exchange(
        provider,
        lambda bucket: bucket.taken(request, wanted=wanted, maximum=maximum, now=time.time()),
    )


def report(provider: str, replies: Sequence[Reply], *, began: float) -> None:
    """Report the replies of one chunk, whose calls began then (Unix seconds).

    They go to Redis at once where the provider asks for fewer calls, else once a second.
    """
    now = time.time()
    reported_at, earlier = _pending.get(provider, (0.0, PendingStats()))
    stats = earlier.plus(replies, began=began)
    if not stats.slower and 0 <= now - reported_at < REPORT_SECONDS:
        _pending[provider] = (reported_at, stats)
        return
    maximum = _maximum(provider)
    _pending[provider] = (now, PendingStats())
    before, after = BUCKETS.update(
        provider, lambda bucket: bucket.adapted(stats, maximum=maximum, now=now)
    )
    if after.cut_at > before.cut_at:
        log.warning(
            "provider asks for fewer calls",
            provider=provider,
            per_second=after.rate,
            before=before.rate,
            paused_seconds=round(max(0.0, after.paused_until - now), 1),
        )
    elif before.rate is not None and after.rate is None:
        log.info("provider takes all calls again", provider=provider)


def shown(provider: str) -> Shown:
    """Return the limit of a provider as it is now."""
    bucket, maximum = BUCKETS.read(provider), _maximum(provider)
    paused = bucket.paused_until > time.time()
    return Shown(
        per_second=bucket.allowed(maximum),
        maximum_per_second=maximum,
        slowed=bucket.rate is not None,
        paused_until=datetime.fromtimestamp(bucket.paused_until, UTC) if paused else None,
    )


def releasable(provider: str) -> int:
    """Return how many waiting messages could be sent now; 0 where none waits."""
    return BUCKETS.read(provider).releasable(maximum=_maximum(provider), now=time.time())


def end_queues(provider: str) -> None:
    """Forget the times that were given out: no message waits for them any more."""
    BUCKETS.update(provider, lambda bucket: replace(bucket, queues={}))


def lift(provider: str) -> None:
    """Forget what a provider asked for; its configured maximum stays."""
    BUCKETS.update(provider, Bucket.lifted)


def forget() -> None:
    """Forget what this process keeps, as a new one would; for tests."""
    BUCKETS.forget()
    _pending.clear()


def _maximum(provider: str) -> float | None:
    found: float | None = settings.PROVIDER_MAX_PER_SECOND.get(provider)
    return found
