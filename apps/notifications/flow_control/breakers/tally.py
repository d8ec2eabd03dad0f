"""Count which replies of a chunk concern the provider's health, and not the recipients."""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply

# Temporary refusals because of one mailbox. They do not concern the provider's health.
ABOUT_RECIPIENT = frozenset({"greylisted", "mailbox_full"})
# Refusals that indicate a problem with us as the sender if there are many of them.
AGAINST_SENDER = frozenset({"policy", "sender_id_mismatch"})
FAILURES = frozenset({Outcome.TRANSIENT, Outcome.UNAVAILABLE, Outcome.UNKNOWN})


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The counted replies of a chunk.

    Attributes:
        successes: Replies that show a healthy provider.
        failures: Replies that count against the provider.
        fatal: Why no call can succeed; empty if no reply says so.
    """

    successes: int
    failures: int
    fatal: str


def tally(replies: Iterable[Reply]) -> Tally:
    """Count replies. A refused recipient counts as a success of the provider."""
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
