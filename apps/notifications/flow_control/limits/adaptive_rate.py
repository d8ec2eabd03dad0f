"""How fast a provider may be called, learned from its answers: pure functions.

Additive increase, multiplicative decrease, as TCP finds the capacity of a line (RFC 5681): a
provider that asks for fewer calls gets half of what it was just getting, and a little more each
second for as long as it takes them.
"""

from dataclasses import dataclass, replace

# Never slower than this, or than the configured maximum where that is less: a provider that is
# not called at all cannot say that it is well again.
FLOOR_PER_SECOND = 1.0
CUT_TO = 0.5
# A provider counts over a second or more, so it refuses calls for a while after we slow down: what
# began by then does not cut again.
HOLD_SECONDS = 1.0
# This part of the rate before the cut, and at least one call a second, is added each second: what
# was cut by half is back after 25 s.
RAISE_PART = 0.02
RAISE_PER_SECOND_MIN = 1.0
# Below half of the rate that was good before, it doubles each second instead: a server that refused
# everything for a while is back within seconds. A cut at which the provider took some of the calls
# shows its capacity, so that this rate is believed less.
PEAK_KEPT = 0.7
# A pause in the answers raises nothing.
RAISE_SECONDS_MAX = 2.0
# Fewer refusals than this part speak of a single recipient: FCM answers 429 for a device that
# gets too many messages, too.
SLOWER_PART = 0.05
# The rate that is seen is counted over this long.
SEEN_SECONDS = 2.0
# Without a configured maximum the limit is off again once this many times more is allowed than is
# asked for, and not before so many seconds after the last cut.
ROOM_FACTOR = 2.0
CALM_SECONDS = 10.0
# A provider that wants no call for longer than this is called again all the same.
PAUSE_SECONDS_MAX = 3600.0


@dataclass(frozen=True, kw_only=True)
class AdaptiveRate:
    """What was learned about one provider. Times are Unix seconds.

    Attributes:
        rate: Calls a second that it takes; None while it never asked for fewer.
        cut_from: The rate that was seen at the last cut.
        peak: The rate that was good before the first cut, as far as it is still believed.
        cut_at: When that was.
        raised_at: When the rate was raised last.
        paused_until: The provider wants no call before.
        seen: Calls a second in the last window.
        window_began: When counting began.
        calls: Calls in this window.
        slower: Those of them that the provider answered by asking for fewer.
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
    """Answers, counted.

    Attributes:
        calls: All of them.
        taken: Those by which the provider did its work, refused recipients included.
        slower: Those that ask for fewer calls.
        pause_seconds: The longest time for which the provider wants no call.
        began: When the first of these calls was made.
    """

    calls: int
    taken: int
    slower: int = 0
    pause_seconds: float = 0.0
    began: float = 0.0


def allowed(pace: AdaptiveRate, *, maximum: float | None) -> float | None:
    """Return the calls a second that may be made now; None means any number."""
    if pace.rate is None or maximum is None:
        return maximum if pace.rate is None else pace.rate
    return min(pace.rate, maximum)


def seen_per_second(pace: AdaptiveRate, *, now: float) -> float:
    """Return the calls a second that were made lately."""
    age = now - pace.window_began
    current = pace.calls / max(1.0, age)
    return max(pace.seen, current) if age <= SEEN_SECONDS else current


def adapted(
    pace: AdaptiveRate, stats: PendingStats, *, maximum: float | None, now: float
) -> AdaptiveRate:
    """Take note of answers.

    Args:
        pace: What was known before.
        stats: The answers.
        maximum: The configured calls a second; None where there is no such limit.
        now: The present.
    """
    held = pace.cut_at and stats.began < pace.cut_at + HOLD_SECONDS
    slower = 0 if held else stats.slower
    pace = _counted(pace, calls=stats.calls, slower=slower, now=now)
    if slower and pace.slower >= SLOWER_PART * pace.calls:
        return _cut(pace, stats, maximum=maximum, now=now)
    if stats.began < pace.cut_at:
        pace = _corrected(pace, maximum=maximum, now=now)
    if pace.rate is not None and stats.taken and not stats.slower and now >= pace.paused_until:
        return _raised(pace, maximum=maximum, now=now)
    return pace


def _counted(pace: AdaptiveRate, *, calls: int, slower: int, now: float) -> AdaptiveRate:
    age = now - pace.window_began
    # A clock that was set back begins anew, too.
    if not 0 <= age < SEEN_SECONDS:
        seen = pace.calls / age if age > 0 else 0.0
        pace = replace(pace, seen=seen, window_began=now, calls=0, slower=0)
    return replace(pace, calls=pace.calls + calls, slower=pace.slower + slower)


def _cut(
    pace: AdaptiveRate, stats: PendingStats, *, maximum: float | None, now: float
) -> AdaptiveRate:
    floor = FLOOR_PER_SECOND if maximum is None else min(FLOOR_PER_SECOND, maximum)
    limit = allowed(pace, maximum=maximum)
    seen = seen_per_second(pace, now=now)
    # Under a limit that was hardly used, or only just set, what is seen is too little to go by.
    before = max(floor, seen if limit is None else min(limit, max(seen, limit * CUT_TO)))
    pause = min(stats.pause_seconds, PAUSE_SECONDS_MAX)
    kept = pace.peak * (PEAK_KEPT if stats.taken else 1.0)
    return AdaptiveRate(
        rate=max(floor, before * CUT_TO),
        cut_from=before,
        peak=max(before, kept),
        cut_at=now,
        raised_at=now,
        paused_until=max(pace.paused_until, now + pause) if pause > 0 else pace.paused_until,
        window_began=now,
    )


def _corrected(pace: AdaptiveRate, *, maximum: float | None, now: float) -> AdaptiveRate:
    """Make up for a cut that went by the first few answers, now that the others have come."""
    seen = seen_per_second(pace, now=now)
    if maximum is not None:
        seen = min(seen, maximum)
    if pace.rate is None or seen * CUT_TO <= pace.rate:
        return pace
    return replace(pace, rate=seen * CUT_TO, cut_from=seen, peak=max(seen, pace.peak))


def _raised(pace: AdaptiveRate, *, maximum: float | None, now: float) -> AdaptiveRate:
    rate = pace.rate or 0.0
    seconds = min(max(0.0, now - pace.raised_at), RAISE_SECONDS_MAX)
    step = max(RAISE_PER_SECOND_MIN, RAISE_PART * max(rate, pace.cut_from))
    quick = min(rate * 2.0**seconds, pace.peak * CUT_TO)
    rate = max(quick, rate + step * seconds)
    if maximum is not None:
        off = rate >= maximum
    else:
        calm = now - pace.cut_at >= CALM_SECONDS
        off = calm and rate >= ROOM_FACTOR * seen_per_second(pace, now=now)
    if off:
        return replace(pace, rate=None, peak=0.0, raised_at=now)
    return replace(pace, rate=rate, raised_at=now)
