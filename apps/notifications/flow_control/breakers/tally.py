"""What the answers of a chunk say about the provider, as opposed to about the recipients."""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply

# Try-again answers that are about one mailbox: they say nothing of the provider's health.
ABOUT_RECIPIENT = frozenset({"greylisted", "mailbox_full"})
# Refusals that speak against us as a sender when they pile up.
AGAINST_SENDER = frozenset({"policy", "sender_id_mismatch"})
FAILURES = frozenset({Outcome.TRANSIENT, Outcome.UNKNOWN})


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The answers of a chunk, counted.

    Attributes:
        fatal: Why no call can succeed; empty if none said so.
    """

    successes: int
    failures: int
    fatal: str


def tally(replies: Iterable[Reply]) -> Tally:
    """Count answers. A refused recipient is a success of the provider."""
    successes = failures = 0
    fatal = ""
    for reply in replies:
        if reply.outcome is Outcome.CONFIGURATION:
            fatal = reply.reason or reply.outcome
        elif reply.reason in AGAINST_SENDER or (
            reply.outcome in FAILURES and reply.reason not in ABOUT_RECIPIENT
        ):
            failures += 1
        else:
            successes += 1
    return Tally(successes=successes, failures=failures, fatal=fatal)
