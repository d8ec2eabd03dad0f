"""Copies at the providers, and how many of them a fault explains: pure rules without a server.

A second copy must be explained for its own message: by a reply that was withheld, or by the death
or suspension of the worker that knew the reply, at the time when that happened. A bound therefore
says which messages may be duplicated, and not only how many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apps.common.channels import Channel
from apps.notifications.broker.topology import CHUNK_SIZE

# Replies are recorded half a second after their arrival at the latest, then committed. This is
# twice as long, because the machine is busy.
UNRECORDED_SECONDS = 1.0
# A fake provider accepts what it has read completely after its own latency, even if a worker died.
READ_SECONDS = 0.5
# A suspended call continues for this long after it is resumed; then its own time limit ends it.
CALL_SECONDS = 10.0
# Calls that one worker process has in flight at most: the threads of its provider.
CALLS_IN_FLIGHT = {Channel.EMAIL: 8, Channel.PUSH: 50}
# Rows that one worker process holds at most: one chunk, for push a second one queued behind it.
CHUNKS_IN_FLIGHT = {Channel.EMAIL: CHUNK_SIZE, Channel.PUSH: 2 * CHUNK_SIZE}


@dataclass(kw_only=True)
class Copy:
    """One message that a fake provider accepted completely.

    Attributes:
        ref: The request reference that the message contains.
        carried_id: The notification id in its Message-ID, or in its tag and collapse id.
        channel: The channel it was sent on.
        at: Time of acceptance, in Unix seconds.
        answered_at: Time of the positive reply; None if there was another reply or none.
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
        at_most: How many copies it explains in total.
        since: Begin, in Unix seconds.
        until: End, in Unix seconds; for a death the time when the process had ended.
    """

    channels: frozenset[Channel]
    at_most: int
    since: float
    until: float


# Returns how many copies beyond the first a message may have, given its copies in order.
OfOne = Callable[[Sequence[Copy], Sequence[Harm]], int]


def _none(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How many copies a fault explains.

    Attributes:
        why: The cause of the copies, in words; empty if there are none.
        of_one: How many copies beyond the first one message may have.
        harmed: Whether the recorded harms also bound the total of all messages.
    """

    why: str = ""
    of_one: OfOne = field(default=_none)
    harmed: bool = False

    def in_all(self, harms: Sequence[Harm]) -> int | None:
        """Return the bound for the total of all messages; None if each message counts by itself."""
        return sum(harm.at_most for harm in harms) if self.harmed else None


NO_COPIES = Bound()


def _before_the_last(copies: Sequence[Copy]) -> Sequence[Copy]:
    """Return the copies that explain another one; a single copy might have caused one."""
    return copies[:-1] or copies


def unanswered(why: str, *, at_most: int) -> Bound:
    """Explain a copy if the copy before it did not get a positive reply.

    Args:
        why: What the fake provider did instead, in words.
        at_most: How many times the system tries again.
    """

    def of_one(copies: Sequence[Copy], _: Sequence[Harm]) -> int:
        return min(at_most, sum(copy.answered_at is None for copy in _before_the_last(copies)))

    return Bound(why=why, of_one=of_one)


def _within(copy: Copy, harms: Sequence[Harm], *, after_wake: bool) -> bool:
    """Return whether a copy was accepted just before a harm, or just after a wake-up from it."""
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
    """Explain a copy by a death just after the copy before it was accepted."""

    def of_one(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
        return sum(_within(copy, harms, after_wake=False) for copy in _before_the_last(copies))

    return Bound(why=why, of_one=of_one, harmed=True)


def slept_alone(why: str) -> Bound:
    """Explain a copy by the suspension of the one worker that knew of the copy before it."""

    def of_one(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
        return min(1, sum(_within(one, harms, after_wake=True) for one in _before_the_last(copies)))

    return Bound(why=why, of_one=of_one, harmed=True)


def slept_together(why: str) -> Bound:
    """Explain a copy by a call during which all processes were suspended, and that then continued.

    A reply that arrived before they were resumed is known to a worker, which records it.
    """

    def of_one(copies: Sequence[Copy], harms: Sequence[Harm]) -> int:
        late = [
            copy
            for copy in _before_the_last(copies)
            if any(harm.until <= copy.at <= harm.until + CALL_SECONDS for harm in harms)
        ]
        return min(1, len(late))

    return Bound(why=why, of_one=of_one, harmed=True)
