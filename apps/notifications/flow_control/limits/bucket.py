"""A token bucket with wait queues, as a value and pure rules.

The bucket fills at the rate. Its last part is kept for the more urgent lanes. A message that finds
no token is given a time to ask again: the times of a wait queue follow each other at the rate, so
that a backlog returns spread over the time that it needs.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from apps.notifications.broker.topology import Urgency
from apps.notifications.flow_control.limits.adaptive_rate import AdaptiveRate

# The bucket holds the tokens of this time, and at least two, or none could be kept for urgent mail.
BURST_SECONDS, BURST_MIN = 1.0, 2.0
# The part of the bucket and the least number of tokens that a lane leaves to more urgent ones, and
# the further part that its new messages leave to those that wait.
RESERVES = {
    Urgency.URGENT: (0.0, 0.0, 0.0),
    Urgency.NORMAL: (0.1, 0.5, 0.2),
    Urgency.BULK: (0.3, 1.0, 0.2),
}
# A wait queue is no longer than this, since the rate may have changed by then. Messages beyond its
# end ask again after this time and up to a minute more, at random.
HORIZON_SECONDS, BEYOND_SECONDS = 300.0, 60.0
# Messages are released early when they may use as much of the bucket as this, so that it is 80 %
# full, and at most so many at once.
RELEASE_PART, RELEASE_MAX = 0.5, 500
# A third of a second at three calls a second is one call.
ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class RequestClass:
    """What decides how many tokens a request leaves to others.

    Attributes:
        urgency: Of its lane.
        returning: Whether its messages have waited before. They have a wait queue of their own, so
            that they do not start again at the end of the long one.
    """

    urgency: Urgency = Urgency.NORMAL
    returning: bool = False

    @property
    def queue(self) -> str:
        """Name the wait queue."""
        return f"{self.urgency}{'-again' if self.returning else ''}"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a bucket gives.

    Attributes:
        count: Calls that may be made.
        wait_seconds: In so many seconds each message without a token asks again.
        paused: Whether the provider wants no call at all now.
    """

    count: int
    wait_seconds: Sequence[float] = ()
    paused: bool = False


@dataclass(frozen=True, kw_only=True)
class Bucket(AdaptiveRate):
    """The bucket of one provider, which fills at the adaptive rate. Times are Unix seconds.

    Attributes:
        full_at: When it is full again.
        queues: The last time that was given out in each wait queue.
    """

    full_at: float = 0.0
    queues: Mapping[str, float] = field(default_factory=dict)

    def taken(
        self, request: RequestClass, *, wanted: int, maximum: float | None, now: float
    ) -> tuple[Self, Grant]:
        """Take tokens for the wanted calls, and times in the wait queue for those without one."""
        rate, paused = self.allowed(maximum), self.paused_until > now
        if rate is None:
            return self, Grant(count=wanted)
        count = 0 if paused else max(0, min(wanted, int(self._usable(request, rate, now))))
        begins = max(self.queues.get(request.queue, 0.0), self.paused_until, now) - now
        longest = max(HORIZON_SECONDS, begins)
        turns = [begins + place / rate for place in range(1, wanted - count + 1)]
        waits = [min(turn, longest + random.uniform(0, BEYOND_SECONDS)) for turn in turns]  # noqa: S311
        last = now + min(HORIZON_SECONDS, turns[-1] if turns else begins)
        full_at = max(now, self.full_at) + count / rate
        after = replace(self, full_at=full_at, queues={**self.queues, request.queue: last})
        return after, Grant(count=count, wait_seconds=waits, paused=paused)

    def releasable(self, *, maximum: float | None, now: float) -> int:
        """Return how many waiting messages could be sent now; 0 where none waits."""
        rate, last = self.allowed(maximum), max(self.queues.values(), default=0.0)
        if last <= now + BURST_SECONDS or self.paused_until > now:
            return 0
        if rate is None:
            return RELEASE_MAX
        request = RequestClass(urgency=Urgency.BULK, returning=True)
        usable = self._usable(request, rate, now)
        return int(min(RELEASE_MAX, usable)) if usable >= RELEASE_PART * _capacity(rate) else 0

    def _usable(self, request: RequestClass, rate: float, now: float) -> float:
        """Return the tokens that are not left to others; below 0 after the rate was cut."""
        part, least, for_waiting = RESERVES[request.urgency]
        if not request.returning and self.queues.get(request.queue, 0.0) > now:
            part += for_waiting
        tokens = _capacity(rate) - max(0.0, self.full_at - now) * rate
        return tokens - max(least, part * _capacity(rate)) + ROUNDING


def _capacity(rate: float) -> float:
    return max(BURST_MIN, rate * BURST_SECONDS)
