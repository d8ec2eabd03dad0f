"""Whether to believe a provider that says a token belongs to another project.

Of one token that is true. When nearly every token is said to be foreign, the key is: then no
device is retired, and the breaker opens as for wrong credentials.
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
# Believed without another token being accepted in between, over all workers and for good: the
# most devices that a wrong key can cost.
BELIEVED_MAX = 5
# More than those, and this part of the calls of a minute or more, are not believed either, as
# where only some of the workers have a wrong key.
DOUBTED_PART = 0.2
WINDOW_SECONDS = 60.0
# Calls without a mismatch are told together, this often.
TELL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Mismatches:
    """What a provider said of its tokens lately. Times are Unix seconds.

    Attributes:
        unbroken: Mismatches since a token was last accepted.
        window_began: When counting began.
        calls: Calls in the window, and a part of those before.
        mismatches: Mismatches among them.
    """

    unbroken: int = 0
    window_began: float = 0.0
    calls: int = 0
    mismatches: int = 0

    @property
    def believed(self) -> bool:
        """Whether the last ones may cost devices."""
        if self.unbroken > BELIEVED_MAX:
            return False
        return self.mismatches <= BELIEVED_MAX or self.mismatches < DOUBTED_PART * self.calls


def weighed(
    before: Mismatches, *, accepted: int, mismatches: int, calls: int, now: float
) -> Mismatches:
    """Take note of calls.

    Args:
        before: What was known.
        accepted: Calls that the provider accepted, which only the right key can do.
        mismatches: Calls that it refused because of another project.
        calls: All of them.
        now: The present.
    """
    windows = (now - before.window_began) / WINDOW_SECONDS
    if not 0 <= windows < 1:
        # Half of the last window counts on, so that a doubt does not end with it.
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


# As long as a wrong key may stay unnoticed; what is forgotten costs five devices once more.
STATE_TYPE: StateType[Mismatches] = StateType(
    prefix="notifications:mismatches:",
    read=lambda fields: Mismatches(**fields),
    forgotten_seconds=30 * 24 * 3600,
)


_store = SharedState(STATE_TYPE, consequence="each process doubts mismatches by itself: no Redis")
_untold: dict[str, tuple[int, int, float]] = {}


def doubted(
    provider: str, replies: Sequence[Reply | None], *, breakers: Sequence[str]
) -> list[Reply | None]:
    """Return the answers of a chunk, with mismatches that are not believed as a matter of ours.

    Args:
        provider: Its name.
        replies: Its answers.
        breakers: Its breakers. Staff who force one of them closed stand in for the key: then
            mismatches are believed.
    """
    now = time.time()
    answered = [reply for reply in replies if reply is not None]
    mismatches = sum(reply.reason == MISMATCH for reply in answered)
    accepted = sum(reply.outcome is Outcome.ACCEPTED for reply in answered)
    earlier_accepted, earlier_calls, told_at = _untold.get(provider, (0, 0, 0.0))
    accepted, calls = accepted + earlier_accepted, len(answered) + earlier_calls
    if not mismatches and now - told_at < TELL_SECONDS:
        _untold[provider] = (accepted, calls, told_at)
        return list(replies)
    _untold[provider] = (0, 0, now)
    after = _store.update(
        provider,
        lambda before: weighed(
            before, accepted=accepted, mismatches=mismatches, calls=calls, now=now
        ),
    )
    if not mismatches or after.believed or _vouched(breakers):
        return list(replies)
    log.warning("mismatches look like a wrong key", provider=provider, count=mismatches)
    return [
        replace(reply, outcome=Outcome.CONFIGURATION)
        if reply is not None and reply.reason == MISMATCH
        else reply
        for reply in replies
    ]


def _vouched(breakers: Sequence[str]) -> bool:
    return any(gate.shown(name).forced is Forced.CLOSED for name in breakers)


def forget() -> None:
    """Forget what this process keeps, as a new one would; for tests."""
    _store.forget()
    _untold.clear()
