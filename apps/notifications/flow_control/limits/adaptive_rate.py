"""The rate at which a provider may be called, learned from its replies: pure functions.

Additive increase, multiplicative decrease, as in TCP's congestion control (RFC 5681): a provider
that asks for fewer calls gets half of its present rate, and a little more each second for as long
as it accepts them.
"""

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
# Each second adds this part of the rate before the cut, and at least one call a second: a cut by
# half is made up for after 25 s.
RAISE_PART = 0.02
RAISE_PER_SECOND_MIN = 1.0
# Below half of the rate before the first cut (the peak) it doubles each second instead, so that a
# server which refused everything for a while is back within seconds. A cut at which the provider
# accepted some calls shows its capacity; then only this part of the peak is kept.
PEAK_KEPT = 0.7
# Time without replies does not raise the rate: at most so many seconds count.
RAISE_SECONDS_MAX = 2.0
# Fewer refusals than this part of the calls concern single recipients: FCM also answers 429 for one
# device that gets too many messages.
SLOWER_PART = 0.05
# The present rate of calls is measured over this time.
SEEN_SECONDS = 2.0
# Without a configured maximum the limit ends when it allows this many times the present rate of
# calls, and not before so many seconds after the last cut.
ROOM_FACTOR = 2.0
CALM_SECONDS = 10.0
# A longer pause than this, asked for by a provider, is shortened to it.
PAUSE_SECONDS_MAX = 3600.0


@dataclass(frozen=True, kw_only=True)
class AdaptiveRate:
    """What was learned about one provider. Times are Unix seconds.

    Attributes:
        rate: Calls a second that it accepts; None without a limit.
        cut_from: The present rate of calls at the last cut.
        peak: The rate before the first cut, as far as it is still expected to be possible.
        cut_at: When the rate was cut last.
        raised_at: When it was raised last.
        paused_until: The provider wants no call before.
        seen: Calls a second in the last window of measurement.
        window_began: When the present window began.
        calls: Calls in this window.
        slower: Those of them whose reply asked for fewer.
    """

    rate: float | None = None
    cut_from: float = 0.0
    peak: float = 0.0
    cut_at: float = 0.0
    raised_at: float = 0.0
    paused_until: float = 0.0
    seen: float = 0.0
    window_began: float = 0.0
    calls: int = 0
    slower: int = 0


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


def seen_per_second(known: AdaptiveRate, *, now: float) -> float:
    """Return the present rate of calls, a second."""
    age = now - known.window_began
    current = known.calls / max(1.0, age)
    return max(known.seen, current) if age <= SEEN_SECONDS else current


def adapted(
    known: AdaptiveRate, stats: PendingStats, *, maximum: float | None, now: float
) -> AdaptiveRate:
    """Cut or raise the rate by the replies that were counted.

    Args:
        known: What was learned before.
        stats: The replies.
        maximum: The configured calls a second; None where there is no such limit.
        now: The present, Unix seconds.
    """
    held = known.cut_at and stats.began < known.cut_at + HOLD_SECONDS
    slower = 0 if held else stats.slower
    known = _counted(known, calls=stats.calls, slower=slower, now=now)
    if slower and known.slower >= SLOWER_PART * known.calls:
        return _cut(known, stats, maximum=maximum, now=now)
    if stats.began < known.cut_at:
        known = _corrected(known, maximum=maximum, now=now)
    if known.rate is not None and stats.taken and not stats.slower and now >= known.paused_until:
        return _raised(known, maximum=maximum, now=now)
    return known


def _counted(known: AdaptiveRate, *, calls: int, slower: int, now: float) -> AdaptiveRate:
    age = now - known.window_began
    # A new window also begins when the clock was set back.
    if not 0 <= age < SEEN_SECONDS:
        seen = known.calls / age if age > 0 else 0.0
        known = replace(known, seen=seen, window_began=now, calls=0, slower=0)
    return replace(known, calls=known.calls + calls, slower=known.slower + slower)


def _cut(
    known: AdaptiveRate, stats: PendingStats, *, maximum: float | None, now: float
) -> AdaptiveRate:
    floor = FLOOR_PER_SECOND if maximum is None else min(FLOOR_PER_SECOND, maximum)
    limit = allowed(known, maximum=maximum)
    seen = seen_per_second(known, now=now)
    # Under a limit that was hardly used, or only just set, too few calls were seen to cut by them.
    before = max(floor, seen if limit is None else min(limit, max(seen, limit * CUT_TO)))
    pause = min(stats.pause_seconds, PAUSE_SECONDS_MAX)
    kept = known.peak * (PEAK_KEPT if stats.taken else 1.0)
    return AdaptiveRate(
        rate=max(floor, before * CUT_TO),
        cut_from=before,
        peak=max(before, kept),
        cut_at=now,
        raised_at=now,
        paused_until=max(known.paused_until, now + pause) if pause > 0 else known.paused_until,
        window_began=now,
    )


def _corrected(known: AdaptiveRate, *, maximum: float | None, now: float) -> AdaptiveRate:
    """Correct a cut that was based on the first few replies, now that the others have arrived."""
    seen = seen_per_second(known, now=now)
    if maximum is not None:
        seen = min(seen, maximum)
    if known.rate is None or seen * CUT_TO <= known.rate:
        return known
    return replace(known, rate=seen * CUT_TO, cut_from=seen, peak=max(seen, known.peak))


def _raised(known: AdaptiveRate, *, maximum: float | None, now: float) -> AdaptiveRate:
    rate = known.rate or 0.0
    seconds = min(max(0.0, now - known.raised_at), RAISE_SECONDS_MAX)
    step = max(RAISE_PER_SECOND_MIN, RAISE_PART * max(rate, known.cut_from))
    quick = min(rate * 2.0**seconds, known.peak * CUT_TO)
    rate = max(quick, rate + step * seconds)
    if maximum is not None:
        off = rate >= maximum
    else:
        calm = now - known.cut_at >= CALM_SECONDS
        off = calm and rate >= ROOM_FACTOR * seen_per_second(known, now=now)
    if off:
        return replace(known, rate=None, peak=0.0, raised_at=now)
    return replace(known, rate=rate, raised_at=now)
