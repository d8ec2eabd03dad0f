"""Decide whether to accept a provider's report that a token belongs to another project.

For a single token the report is correct. If it is given for nearly every token, our key belongs to
another project: then no device is retired, and the breaker opens as for wrong credentials.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from apps.common.redis.shared_state import SharedState, StateType
from apps.notifications.flow_control.breakers import gate
from apps.notifications.flow_control.breakers.circuit import Forced
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply

log = structlog.get_logger(__name__)

MISMATCH = "sender_id_mismatch"
# The maximum number of consecutive mismatches, without an accepted token in between, that are
# accepted as true. It counts over all workers and without a time limit, so it is the maximum number
# of devices that a wrong key can retire.
ACCEPTED_MAX = 5
# More mismatches than ACCEPTED_MAX are also rejected if they are at least this share of the calls
# in the window. This covers the case that only some of the workers have a wrong key.
DOUBTFUL_PART = 0.2
WINDOW_SECONDS = 60.0
# Calls without a mismatch are reported together at this interval.
REPORT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Mismatches:
    """The recent mismatches of a provider. Times are Unix seconds.

    Attributes:
        unbroken: Mismatches since a token was last accepted.
        window_began: When the counting window began.
        calls: Calls in the window, plus a decayed part of the earlier ones.
        mismatches: Mismatches among them.
    """

    unbroken: int = 0
    window_began: float = 0.0
    calls: int = 0
    mismatches: int = 0

    @property
    def believed(self) -> bool:
        """Whether the latest mismatches are accepted, so that their devices are retired."""
        if self.unbroken > ACCEPTED_MAX:
            return False
        return self.mismatches <= ACCEPTED_MAX or self.mismatches < DOUBTFUL_PART * self.calls


def counted_calls(
    before: Mismatches, *, accepted: int, mismatches: int, calls: int, now: float
) -> Mismatches:
    """Count the results of calls.

    Args:
        before: The previous state.
        accepted: Calls that the provider accepted, which is possible only with the right key.
        mismatches: Calls that it refused because the token belongs to another project.
        calls: The number of all calls.
        now: The current time.

    Returns:
        The new state.
    """
    windows = (now - before.window_began) / WINDOW_SECONDS
    if not 0 <= windows < 1:
        # Keep half of the counts per window, so that mismatches are not accepted again at its end.
        kept = 0.5 ** min(windows, 60) if windows > 0 else 0.0
        before = replace(
            before,
            window_began=now,
            calls=int(before.calls * kept),
            mismatches=int(before.mismatches * kept),
        )
    return replace(
        before,
        unbroken=0 if accepted else before.unbroken + mismatches,
        calls=before.calls + calls,
        mismatches=before.mismatches + mismatches,
    )


# The state is kept for 30 days, because a wrong key may stay undetected that long. After the state
# has expired, a wrong key can retire five more devices.
STATE_TYPE: StateType[Mismatches] = StateType(
    prefix="notifications:mismatches:",
    read=Mismatches,
    forgotten_seconds=30 * 24 * 3600,
)


_store = SharedState(STATE_TYPE, consequence="each process doubts mismatches by itself: no Redis")
_unreported: dict[str, tuple[int, int, float]] = {}


def with_doubtful_mismatches(
    provider: str, replies: Sequence[Reply | None], *, breakers: Sequence[str]
) -> list[Reply | None]:
    """Return the replies of a chunk, with rejected mismatches turned into configuration errors.

    Args:
        provider: The provider's name.
        replies: Its replies; None for a call that was not started.
        breakers: The names of its breakers. If staff have forced one of them closed, they confirm
            that the key is right, and mismatches are accepted.
    """
    now = time.time()
    answered = [reply for reply in replies if reply is not None]
    mismatches = sum(reply.reason == MISMATCH for reply in answered)
    accepted = sum(reply.outcome is Outcome.ACCEPTED for reply in answered)
    earlier_accepted, earlier_calls, reported_at = _unreported.get(provider, (0, 0, 0.0))
    accepted, calls = accepted + earlier_accepted, len(answered) + earlier_calls
    if not mismatches and now - reported_at < REPORT_SECONDS:
        _unreported[provider] = (accepted, calls, reported_at)
        return list(replies)
    _unreported[provider] = (0, 0, now)
    _, after = _store.update(
        provider,
        lambda before: counted_calls(
            before, accepted=accepted, mismatches=mismatches, calls=calls, now=now
        ),
    )
    if not mismatches or after.believed or _is_confirmed_by_staff(breakers):
        return list(replies)
    log.warning("mismatches look like a wrong key", provider=provider, count=mismatches)
    return [
        replace(reply, outcome=Outcome.CONFIGURATION)
        if reply is not None and reply.reason == MISMATCH
        else reply
        for reply in replies
    ]


def _is_confirmed_by_staff(breakers: Sequence[str]) -> bool:
    return any(gate.shown(name).forced is Forced.CLOSED for name in breakers)


def forget() -> None:
    """Reset the store and the caches of this process, for tests."""
    _store.forget()
    _unreported.clear()
