"""What the answers of a chunk say about the rate at which the provider wants to be called."""

from collections.abc import Iterable

from apps.notifications.flow_control.limits.adaptive_rate import PendingStats
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply

# A mail server that ends the session by itself (421) has enough of us, or of everybody.
ENOUGH_OF_US = frozenset({"service_closing"})
TAKEN = frozenset({Outcome.ACCEPTED, Outcome.DEAD_ADDRESS, Outcome.REJECTED})


def stats(replies: Iterable[Reply], *, began: float) -> PendingStats:
    """Count answers.

    Args:
        replies: The answers of one chunk.
        began: When its calls began, Unix seconds.
    """
    calls = taken = slower = 0
    pause = 0.0
    for reply in replies:
        calls += 1
        if reply.outcome is Outcome.RATE_LIMITED or reply.reason in ENOUGH_OF_US:
            slower += 1
            pause = max(pause, reply.pause_seconds)
        elif reply.outcome in TAKEN:
            taken += 1
    return PendingStats(calls=calls, taken=taken, slower=slower, pause_seconds=pause, began=began)
