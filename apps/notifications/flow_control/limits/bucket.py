"""Whose turn it is under a limit: a bucket of tokens, and lines of those who wait. Pure functions.

The bucket fills at the rate. The last part of it is kept for the more urgent lanes. Who finds too
few tokens is told when its turn comes: each lane has a line, and one turn follows another at the
rate, so that a backlog comes back spread over the time that it takes.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from apps.notifications.broker.topology import Urgency

# The bucket holds what flows in over this long, and at least two calls, or nothing could be kept
# for the urgent lane.
BURST_SECONDS = 1.0
BURST_MIN = 2.0
# The part of the bucket, and the least number of calls, that a lane leaves to more urgent ones.
RESERVES: dict[Urgency, tuple[float, float]] = {
    Urgency.URGENT: (0.0, 0.0),
    Urgency.NORMAL: (0.1, 0.5),
    Urgency.BULK: (0.3, 1.0),
}
# While others of its lane wait for their turn, who comes for the first time leaves this much more.
BEHIND_THE_LINE = 0.2
# A line is no longer than this: the rate may be another one by then. Who would stand beyond its
# end asks again at about that time.
HORIZON_SECONDS = 300.0
BEYOND_SPREAD = 0.2
# What waits is released early when the bucket is as full as this, and so many at once.
ROOM_PART = 0.8
ROOM_MAX = 500
# A third of a second at three calls a second is one call.
ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Who asks.

    Attributes:
        urgency: Of its lane.
        returning: Whether it has waited for its turn before.
    """

    urgency: Urgency = Urgency.NORMAL
    returning: bool = False

    @property
    def line(self) -> str:
        """Name the line to wait in. Who has waited before does not go to the end again."""
        return f"{self.urgency}{'-again' if self.returning else ''}"


@dataclass(frozen=True, kw_only=True)
class Demand:
    """One question to a bucket.

    Attributes:
        need: Calls that are to be made.
        spare: Calls to take besides if there are tokens enough, to be made soon.
        rate: Calls a second.
        pause_seconds: For how long no call may be made at all.
    """

    need: int
    rate: float
    turn: Turn
    spare: int = 0
    pause_seconds: float = 0.0

    @property
    def capacity(self) -> float:
        """How many tokens the bucket holds."""
        return max(BURST_MIN, self.rate * BURST_SECONDS)

    def reserve(self, *, in_line: bool) -> float:
        """Return how many tokens must be left.

        Args:
            in_line: Whether others of this lane wait for their turn.
        """
        part, least = RESERVES[self.turn.urgency]
        if in_line and not self.turn.returning and self.turn.urgency is not Urgency.URGENT:
            part += BEHIND_THE_LINE
        return min(self.capacity - 1.0, max(least, part * self.capacity))


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The answer.

    Attributes:
        count: Calls that may be made, at most need and spare together.
        line_seconds: When the line begins for those who have to wait: their turns follow it.
    """

    count: int
    line_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """One provider's bucket.

    Attributes:
        tokens: What was in it; None while it has never been used and is full.
        filled_at: When that was.
        lines: Until when the turns of each line have been given out.
    """

    tokens: float | None = None
    filled_at: float = 0.0
    lines: Mapping[str, float] = field(default_factory=dict)


def taken(bucket: Bucket, demand: Demand, *, now: float) -> tuple[Bucket, Grant]:
    """Take tokens, and a place in the line for what has to wait.

    ``store.RedisBuckets`` does the same inside Redis, and a test compares the two.
    """
    filled = demand.capacity
    if bucket.tokens is not None:
        flowed = max(0.0, now - bucket.filled_at) * demand.rate
        filled = min(demand.capacity, bucket.tokens + flowed)
    filled_at = max(now, bucket.filled_at)
    line = bucket.lines.get(demand.turn.line, 0.0)
    count = 0
    if demand.pause_seconds <= 0:
        spendable = filled - demand.reserve(in_line=line > now)
        count = max(0, min(demand.need + demand.spare, int(spendable + ROUNDING)))
    lines = dict(bucket.lines)
    waiting = demand.need - count
    begins = max(line, now + demand.pause_seconds)
    if waiting > 0:
        lines[demand.turn.line] = min(begins + waiting / demand.rate, now + HORIZON_SECONDS)
    after = Bucket(tokens=filled - count, filled_at=filled_at, lines=lines)
    return after, Grant(count=count, line_seconds=begins - now)


def room(bucket: Bucket, *, rate: float | None, now: float) -> int:
    """Return how many of those who wait for their turn could go now.

    Args:
        bucket: As it stands.
        rate: Calls a second; None means any number.
        now: The present.
    """
    if max(bucket.lines.values(), default=0.0) <= now + BURST_SECONDS:
        return 0
    if rate is None:
        return ROOM_MAX
    demand = Demand(need=0, rate=rate, turn=Turn(urgency=Urgency.BULK, returning=True))
    filled, _ = taken(bucket, demand, now=now)
    tokens = filled.tokens or 0.0
    if tokens < ROOM_PART * demand.capacity:
        return 0
    return min(ROOM_MAX, int(tokens - demand.reserve(in_line=True) + ROUNDING))


def turns(
    grant: Grant, *, waiting: int, rate: float, jitter: Callable[[], float] = random.random
) -> list[float]:
    """Return in how many seconds each of those who wait has its turn."""
    seconds = (grant.line_seconds + (place + 1) / rate for place in range(waiting))
    beyond = HORIZON_SECONDS * BEYOND_SPREAD
    longest = max(HORIZON_SECONDS, grant.line_seconds)
    return [turn if turn <= longest else longest + beyond * jitter() for turn in seconds]
