"""The rate at which a provider may be called, learned from its replies: pure functions.

Multiplicative decrease, then slow start up to a threshold and additive increase above it, as in
TCP's congestion control (RFC 5681): a provider that asks for fewer calls gets half of them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply

# A mail server that ends the session by itself (421) asks for fewer calls, too.
SLOWER_REASONS = frozenset({"service_closing"})
TAKEN = frozenset({Outcome.ACCEPTED, Outcome.DEAD_ADDRESS, Outcome.REJECTED})

# The rate is never lower than this, or than the configured maximum where that is less: without any
# calls nothing would show that the provider has recovered.
FLOOR_PER_SECOND = 1.0
CUT_TO = 0.5
# A provider counts over a second or more, so it still refuses calls after the rate was cut: calls
# that began within this time do not cut it again.
HOLD_SECONDS = 1.0
# Above the threshold each second adds this part of it, and at least one call a second: a cut by
# half is made up for after 25 s.
RAISE_PART = 0.04
RAISE_PER_SECOND_MIN = 1.0
# Time without replies does not raise the rate: at most so many seconds count. With two seconds the
# rate grew from 50 to 200 calls a second in one step.
RAISE_SECONDS_MAX = 1.0
# Fewer refusals than this part of the calls concern single recipients: FCM also answers 429 for one
# device that gets too many messages.
SLOWER_PART = 0.05
# Without a configured maximum the limit ends so long after the last cut.
CALM_SECONDS = 60.0
# A longer pause than this, asked for by a provider, is shortened to it.
PAUSE_SECONDS_MAX = 3600.0


@dataclass(frozen=True, kw_only=True)
class AdaptiveRate:
    """What was learned about one provider. Times are Unix seconds.

    Attributes:
        rate: Calls a second that it accepts; None without a limit.
        threshold: Below this rate it doubles each second; half of the rate at which the provider
            accepted some calls and refused others. Infinite until that is known.
        cut_at: When the rate was cut last.
        raised_at: When it was raised last.
        paused_until: The provider wants no call before.
    """

    rate: float | None = None
    threshold: float = math.inf
    cut_at: float = 0.0
    raised_at: float = 0.0
    paused_until: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PendingStats:
    """Replies, counted.

    Attributes:
        calls: All of them.
        taken: Those by which the provider did its work, refused recipients included.
        slower: Those that ask for fewer calls.
        pause_seconds: The longest time for which the provider wants no call.
        began: When the first of these calls began, Unix seconds.
    """

    calls: int
    taken: int
    slower: int = 0
    pause_seconds: float = 0.0
    began: float = 0.0


def counted(replies: Iterable[Reply], *, began: float) -> PendingStats:
    """Count the replies of one chunk, whose calls began then (Unix seconds)."""
    calls = taken = slower = 0
    pause = 0.0
    for reply in replies:
        calls += 1
        if reply.outcome is Outcome.RATE_LIMITED or reply.reason in SLOWER_REASONS:
            slower += 1
            pause = max(pause, reply.pause_seconds)
        elif reply.outcome in TAKEN:
            taken += 1
    return PendingStats(calls=calls, taken=taken, slower=slower, pause_seconds=pause, began=began)


def allowed(known: AdaptiveRate, *, maximum: float | None) -> float | None:
    """Return the calls a second that may be made now; None means any number."""
    if known.rate is None or maximum is None:
        return maximum if known.rate is None else known.rate
    return min(known.rate, maximum)


def adapted(
    known: AdaptiveRate, stats: PendingStats, *, maximum: float | None, now: float
) -> AdaptiveRate:
    """Cut or raise the rate by the replies that were counted.

    Args:
        known: What was learned before.
        stats: The replies of about one second.
        maximum: The configured calls a second; None where there is no such limit.
        now: The present, Unix seconds.
    """
    if stats.slower and stats.slower >= SLOWER_PART * stats.calls:
        held = known.cut_at and stats.began < known.cut_at + HOLD_SECONDS
        return known if held else _cut(known, stats, maximum=maximum, now=now)
    if known.rate is not None and stats.taken and not stats.slower and now >= known.paused_until:
        return _raised(known, known.rate, maximum=maximum, now=now)
    return known


def _cut(
    known: AdaptiveRate, stats: PendingStats, *, maximum: float | None, now: float
) -> AdaptiveRate:
    most, threshold = math.inf if maximum is None else maximum, known.threshold
    if known.rate is None:
        # The calls of one process in a second may be too few: the rate doubles from there.
        before = min(stats.calls, most)
    else:
        before = min(known.rate, most)
        # A server that refuses everything for a while has shown nothing about its usual rate.
        threshold = before * CUT_TO if stats.taken else threshold
    pause = min(stats.pause_seconds, PAUSE_SECONDS_MAX)
    return AdaptiveRate(
        rate=max(before * CUT_TO, min(FLOOR_PER_SECOND, most)),
        threshold=threshold,
        cut_at=now,
        raised_at=now,
        paused_until=max(known.paused_until, now + pause) if pause > 0 else known.paused_until,
    )


def _raised(known: AdaptiveRate, rate: float, *, maximum: float | None, now: float) -> AdaptiveRate:
    seconds = min(max(0.0, now - known.raised_at), RAISE_SECONDS_MAX)
    step = max(RAISE_PER_SECOND_MIN, RAISE_PART * min(rate, known.threshold))
    rate = max(min(rate * 2.0**seconds, known.threshold), rate + step * seconds)
    calm = now - max(known.cut_at, known.paused_until) >= CALM_SECONDS
    if calm if maximum is None else rate >= maximum:
        return AdaptiveRate(cut_at=known.cut_at)
    return replace(known, rate=rate, raised_at=now)
