"""A token bucket with wait queues, as pure functions.

The bucket fills at the rate. Its last part is kept for the more urgent lanes. A message that finds
no token is given a time to ask again: the times of a wait queue follow each other at the rate, so
that a backlog returns spread over the time that it needs.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.notifications.broker.topology import Urgency

# The bucket holds the tokens of this time, and at least two, or none could be kept for urgent mail.
BURST_SECONDS, BURST_MIN = 1.0, 2.0
# The part of the bucket, and the least number of tokens, that a lane leaves to more urgent ones.
RESERVES = {Urgency.URGENT: (0.0, 0.0), Urgency.NORMAL: (0.1, 0.5), Urgency.BULK: (0.3, 1.0)}
# While messages wait, new ones of the same lane leave them this much more.
NEW_RESERVE = 0.2
# A wait queue is no longer than this, since the rate may have changed by then. Messages beyond its
# end ask again after this time and up to a fifth more, at random.
HORIZON_SECONDS, BEYOND_SPREAD = 300.0, 0.2
# Messages are released early when the bucket is as full as this, and at most so many at once.
RELEASE_PART, RELEASE_MAX = 0.8, 500
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

    def reserve(self, capacity: float, *, is_queued: bool) -> float:
        """Return the tokens that must be left, more where messages of the lane wait."""
        part, least = RESERVES[self.urgency]
        if is_queued and not self.returning and self.urgency is not Urgency.URGENT:
            part += NEW_RESERVE
        return min(capacity - 1.0, max(least, part * capacity))


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The bucket of one provider. Times are Unix seconds.

    Attributes:
        full_at: When it is full again.
        queues: The last time that was given out in each wait queue.
    """

    full_at: float = 0.0
    queues: Mapping[str, float] = field(default_factory=dict)

    def tokens(self, rate: float, now: float) -> float:
        """Return the tokens that are in it now; below 0 after the rate was cut."""
        return capacity(rate) - max(0.0, self.full_at - now) * rate


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


def capacity(rate: float) -> float:
    """Return how many tokens a bucket holds."""
    return max(BURST_MIN, rate * BURST_SECONDS)


def taken(
    bucket: Bucket,
    request: RequestClass,
    *,
    wanted: int,
    rate: float,
    pause_seconds: float = 0.0,
    now: float,
) -> tuple[Bucket, Grant]:
    """Take tokens, and times in the wait queue for messages without one.

    Args:
        bucket: As it was before.
        request: Its class.
        wanted: Calls that are to be made now.
        rate: Calls a second.
        pause_seconds: For so long the provider wants no call.
        now: Unix seconds.

    Returns:
        The bucket afterwards, and what it gave.
    """
    last = bucket.queues.get(request.queue, 0.0)
    reserve = request.reserve(capacity(rate), is_queued=last > now)
    usable = 0 if pause_seconds > 0 else int(bucket.tokens(rate, now) - reserve + ROUNDING)
    count = max(0, min(wanted, usable))
    begins = max(last - now, pause_seconds)
    waits = [begins + (place + 1) / rate for place in range(wanted - count)]
    queues = dict(bucket.queues)
    if waits:
        queues[request.queue] = now + min(waits[-1], HORIZON_SECONDS)
    after = Bucket(full_at=max(now, bucket.full_at) + count / rate, queues=queues)
    longest = max(HORIZON_SECONDS, begins)
    beyond = longest + HORIZON_SECONDS * BEYOND_SPREAD
    spread = [w if w <= longest else random.uniform(longest, beyond) for w in waits]  # noqa: S311
    return after, Grant(count=count, wait_seconds=spread, paused=pause_seconds > 0)


def releasable(bucket: Bucket, *, rate: float | None, now: float) -> int:
    """Return how many waiting messages could be sent now; a rate of None means any number."""
    if max(bucket.queues.values(), default=0.0) <= now + BURST_SECONDS:
        return 0
    if rate is None:
        return RELEASE_MAX
    tokens = bucket.tokens(rate, now)
    if tokens < RELEASE_PART * capacity(rate):
        return 0
    kept = RequestClass(urgency=Urgency.BULK).reserve(capacity(rate), is_queued=False)
    return min(RELEASE_MAX, int(tokens - kept + ROUNDING))
