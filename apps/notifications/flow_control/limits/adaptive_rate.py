"""The rate at which a provider may be called, learned from its replies: values and pure rules.

Multiplicative decrease, then slow start up to a threshold and additive increase above it, as in
TCP's congestion control (RFC 5681): a provider that asks for fewer calls gets half of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply

# A mail server that ends the session by itself (421), or takes no more sessions, asks for fewer
# calls, too.
SLOWER_REASONS = frozenset({"service_closing", "slow_down"})
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
class PendingStats:
    """Replies, counted.

    Attributes:
        calls: All of them.
        taken: Those by which the provider did its work, refused recipients included.
        slower: Those that ask for fewer calls.
        pause_seconds: The longest time for which the provider wants no call.
        began: When the calls of the last chunk began, Unix seconds.
    """

    calls: int = 0
    taken: int = 0
    slower: int = 0
    pause_seconds: float = 0.0
    began: float = 0.0

    def plus(self, replies: Sequence[Reply], *, began: float) -> "PendingStats":
        """Count the replies of one more chunk, whose calls began then (Unix seconds)."""
        slower = [reply for reply in replies if _asks_for_fewer(reply)]
        return PendingStats(
            calls=self.calls + len(replies),
            taken=self.taken + sum(reply.outcome in TAKEN for reply in replies),
            slower=len(slower),
            pause_seconds=max((reply.pause_seconds for reply in slower), default=0.0),
            began=began,
        )


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

    def allowed(self, maximum: float | None) -> float | None:
        """Return the calls a second that may be made now; None means any number."""
        return min((rate for rate in (self.rate, maximum) if rate is not None), default=None)

    def lifted(self) -> Self:
        """Forget what the provider asked for."""
        return replace(self, rate=None, threshold=math.inf, paused_until=0.0)

    def adapted(self, stats: PendingStats, *, maximum: float | None, now: float) -> Self:
        """Cut or raise the rate by the replies of about one second.

        Args:
            stats: The replies, counted.
            maximum: The configured calls a second; None where there is no such limit.
            now: The present, Unix seconds.
        """
        if stats.slower and stats.slower >= SLOWER_PART * stats.calls:
            held = self.cut_at and stats.began < self.cut_at + HOLD_SECONDS
            return self if held else self._cut(stats, most=maximum or math.inf, now=now)
        if self.rate is None or stats.slower or not stats.taken or now < self.paused_until:
            return self
        rate = _raised(self.rate, self.threshold, seconds=now - self.raised_at)
        calm = now - max(self.cut_at, self.paused_until) >= CALM_SECONDS
        is_over = calm if maximum is None else rate >= maximum
        return self.lifted() if is_over else replace(self, rate=rate, raised_at=now)

    def _cut(self, stats: PendingStats, *, most: float, now: float) -> Self:
        # The calls of one process in a second may be too few: the rate doubles from there.
        rate = min(self.rate or stats.calls, most) * CUT_TO
        # A server that refuses everything for a while has shown nothing about its usual rate.
        is_usual = self.rate is not None and stats.taken
        pause = min(stats.pause_seconds, PAUSE_SECONDS_MAX)
        return replace(
            self,
            rate=max(rate, min(FLOOR_PER_SECOND, most)),
            threshold=rate if is_usual else self.threshold,
            cut_at=now,
            raised_at=now,
            paused_until=max(self.paused_until, now + pause) if pause > 0 else self.paused_until,
        )


def _asks_for_fewer(reply: Reply) -> bool:
    return reply.outcome is Outcome.RATE_LIMITED or reply.reason in SLOWER_REASONS


def _raised(rate: float, threshold: float, *, seconds: float) -> float:
    seconds = min(max(0.0, seconds), RAISE_SECONDS_MAX)
    step = max(RAISE_PER_SECOND_MIN, RAISE_PART * min(rate, threshold))
    return max(min(rate * math.exp2(seconds), threshold), rate + step * seconds)
