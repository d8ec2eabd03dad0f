"""Copies on the wire, and how many of them a fault explains: pure rules, without any server.

A second copy has to be explained message by message: by an answer that was withheld, or by the
death or sleep of the worker that knew the answer, in the moment in which that happened. So a bound
says which messages may be doubled, and not only how many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apps.notifications.broker.topology import CHUNK_SIZE, Channel

# Answers are recorded half a second after they came at the latest, and the commit follows. This is
# twice as long, because the machine is busy.
UNRECORDED_SECONDS = 1.0
# What a stand-in had wholly read when a worker died it takes after its own latency.
READ_SECONDS = 0.5
# A call that slept goes on for so long when it is let go; then its own limit ends it.
CALL_SECONDS = 10.0
# Calls that one worker process has on the wire at most: the threads of its provider.
CALLS_IN_FLIGHT = {Channel.EMAIL: 8, Channel.PUSH: 50}
# What one worker process holds at most: one chunk, for push a second one behind it.
CHUNKS_IN_FLIGHT = {Channel.EMAIL: CHUNK_SIZE, Channel.PUSH: 2 * CHUNK_SIZE}


@dataclass(kw_only=True)
class Copy:
    """One message that a provider's stand-in took whole.

    Attributes:
        ref: What the message itself says it is about.
        carried_id: The notification id in its Message-ID, or in its tag and collapse id.
        channel: How it was sent.
        at: When it was taken, in Unix seconds.
        answered_at: When its acceptance was answered; None where the answer was another, or none.
    """

    ref: str
    carried_id: str
    channel: Channel = Channel.EMAIL
    at: float = 0.0
    answered_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What was done to workers, and when.

    Attributes:
        channels: The channels of those workers.
        at_most: How many copies it explains in all.
        since: When it began, in Unix seconds.
        until: When it was over; for a death that is when the process was gone.
    """

    channels: frozenset[Channel]
    at_most: int
    since: float
    until: float


# How many copies beyond the first a message may have, from its copies in their order.
OfOne = Callable[[Sequence[Copy], Sequence[Harm]], int]


def _none(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How many copies a fault explains.

    Attributes:
        why: Where they come from, in words; empty where there are none.
        of_one: How many beyond the first one message may have.
        harmed: Whether the harms that were done bound all messages together as well.
    """

    why: str = ""
    of_one: OfOne = field(default=_none)
    harmed: bool = False

    def in_all(self, harms: Sequence[Harm]) -> int | None:
        """Return how many all messages together may have; None where each stands for itself."""
        return sum(harm.at_most for harm in harms) if self.harmed else None


NO_COPIES = Bound()


def _before_the_last(copies: Sequence[Copy]) -> Sequence[Copy]:
    """Return the copies that had to cause another; a copy that is alone might have caused one."""
    return copies[:-1] or copies


def unanswered(why: str, *, at_most: int) -> Bound:
    """Explain a copy by the one before it, which was not answered with an acceptance.

    Args:
        why: What the stand-in did instead, in words.
        at_most: How often the system tries again.
    """

    def of_one(copies: Sequence[Copy], _: Sequence[Harm]) -> int:
        return min(at_most, sum(copy.answered_at is None for copy in _before_the_last(copies)))

    return Bound(why=why, of_one=of_one)


def _within(copy: Copy, harms: Sequence[Harm], *, after_wake: bool) -> bool:
    """Tell whether a copy was taken right before a harm, or right after somebody woke from it."""
    for harm in harms:
        if copy.channel not in harm.channels:
            continue
        if harm.since - UNRECORDED_SECONDS <= copy.at <= harm.since + READ_SECONDS:
            return True
        if after_wake and harm.until <= copy.at <= harm.until + CALL_SECONDS:
            return True
        if not after_wake and harm.since <= copy.at <= harm.until + READ_SECONDS:
            return True
    return False


def killed(why: str) -> Bound:
    """Explain a copy by a death right after the one before it was taken."""

    def of_one(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
        return sum(_within(copy, harms, after_wake=False) for copy in _before_the_last(copies))

    return Bound(why=why, of_one=of_one, harmed=True)


def slept_alone(why: str) -> Bound:
    """Explain a copy by the sleep of the one worker that knew of the copy before it."""

    def of_one(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
        return min(1, sum(_within(one, harms, after_wake=True) for one in _before_the_last(copies)))

    return Bound(why=why, of_one=of_one, harmed=True)


def slept_together(why: str) -> Bound:
    """Explain a copy by a call that all processes slept through, and that went on when they woke.

    What was answered before they woke is known to a worker, which records it.
    """

    def of_one(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
        late = [
            copy
            for copy in _before_the_last(copies)
            if any(harm.until <= copy.at <= harm.until + CALL_SECONDS for harm in harms)
        ]
        return min(1, len(late))

    return Bound(why=why, of_one=of_one, harmed=True)
