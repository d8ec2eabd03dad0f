"""Which replies count as a success or a failure of the provider."""

import pytest

from apps.notifications.flow_control.breakers import Tally, tally
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply


@pytest.mark.parametrize(
    ("outcome", "reason", "expected"),
    [
        (Outcome.ACCEPTED, "", Tally(successes=1, failures=0, fatal="")),
        (Outcome.DEAD_ADDRESS, "hard_bounce", Tally(successes=1, failures=0, fatal="")),
        (Outcome.REJECTED, "message_too_large", Tally(successes=1, failures=0, fatal="")),
        (Outcome.REJECTED, "policy", Tally(successes=0, failures=1, fatal="")),
        (
            Outcome.CONFIGURATION,
            "third_party_auth_error",
            Tally(successes=0, failures=0, fatal="third_party_auth_error"),
        ),
        (Outcome.DEAD_ADDRESS, "sender_id_mismatch", Tally(successes=0, failures=1, fatal="")),
        (Outcome.TRANSIENT, "", Tally(successes=0, failures=1, fatal="")),
        (Outcome.TRANSIENT, "greylisted", Tally(successes=1, failures=0, fatal="")),
        (Outcome.TRANSIENT, "mailbox_full", Tally(successes=1, failures=0, fatal="")),
        (Outcome.UNKNOWN, "", Tally(successes=0, failures=1, fatal="")),
        (Outcome.RATE_LIMITED, "", Tally(successes=1, failures=0, fatal="")),
        (
            Outcome.CONFIGURATION,
            "credentials",
            Tally(successes=0, failures=0, fatal="credentials"),
        ),
    ],
)
def test_each_reply_counts_as_success_failure_or_fatal(
    outcome: Outcome, reason: str, expected: Tally
) -> None:
    assert tally([Reply(outcome=outcome, reason=reason)]) == expected
