"""The retry policy: backoff, and what holds for every answer that a provider can give."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.delivery.retry_policy import (
    CONFIGURATION_WAIT_SECONDS,
    RETRY_AFTER_MAX_SECONDS,
    RULES,
    Policy,
    backoff_seconds,
    judge,
)
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import FINISHED, MOVES, Status
from apps.notifications.providers.base import Reply
from tests.notifications.delivery.policies import DEFAULT, NOW, no_jitter

policies = st.builds(
    Policy,
    max_attempts=st.integers(1, 30),
    base_seconds=st.floats(0.1, 60),
    max_seconds=st.floats(1, 3600),
)
replies = st.builds(
    Reply,
    outcome=st.sampled_from(Outcome),
    code=st.sampled_from(["", "450 4.2.0"]),
    reason=st.sampled_from(["", "hard_bounce", "unregistered"]),
    retry_after=st.none() | st.floats(0, 100_000),
    delivered=st.booleans(),
)


def test_every_outcome_has_a_rule() -> None:
    assert set(RULES) == set(Outcome)


@given(
    attempts=st.integers(1, 100_000),
    policy=policies,
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_a_backoff_lies_in_the_upper_half_of_its_ceiling(
    attempts: int, policy: Policy, jitter: float
) -> None:
    ceiling = min(policy.max_seconds, policy.base_seconds * 2.0 ** min(attempts - 1, 60))
    wait = backoff_seconds(attempts=attempts, policy=policy, jitter=lambda: jitter)
    assert ceiling / 2 <= wait <= ceiling


@pytest.mark.parametrize(
    ("attempts", "ceiling"), [(1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (12, 600)]
)
def test_the_default_ceilings_double_up_to_ten_minutes(attempts: int, ceiling: float) -> None:
    assert backoff_seconds(attempts=attempts, policy=DEFAULT, jitter=no_jitter) == ceiling / 2


@given(
    attempts=st.integers(1, 100),
    policy=policies,
    asked=st.floats(0, 1e9),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_retry_after_is_never_undercut_and_capped_at_an_hour(
    attempts: int, policy: Policy, asked: float, jitter: float
) -> None:
    wait = backoff_seconds(
        attempts=attempts, policy=policy, retry_after=asked, jitter=lambda: jitter
    )
    assert wait >= min(asked, RETRY_AFTER_MAX_SECONDS)
    assert wait <= max(policy.max_seconds, min(asked, RETRY_AFTER_MAX_SECONDS))


@given(
    answers=st.lists(replies, min_size=1, max_size=5),
    accepted_before=st.booleans(),
    attempts=st.integers(0, 40),
    expires_in=st.none() | st.floats(-100, 10_000),
    policy=policies,
)
def test_a_verdict_is_a_legal_move_and_final_unless_a_retry_is_due(
    answers: list[Reply],
    accepted_before: bool,  # noqa: FBT001 - Hypothesis passes arguments by name.
    attempts: int,
    expires_in: float | None,
    policy: Policy,
) -> None:
    expires_at = None if expires_in is None else NOW + timedelta(seconds=expires_in)
    verdict = judge(
        answers,
        accepted_before=accepted_before,
        attempts=attempts,
        expires_at=expires_at,
        now=NOW,
        policy=policy,
    )
    assert verdict.to in MOVES[Status.SENDING]
    if verdict.to is Status.RETRYING:
        assert verdict.next_attempt_at is not None
        assert verdict.next_attempt_at > NOW
        assert expires_at is None or verdict.next_attempt_at < expires_at
    else:
        assert verdict.to in FINISHED
        assert verdict.next_attempt_at is None
    if verdict.to in {Status.FAILED, Status.BOUNCED}:
        assert verdict.reason
        assert not accepted_before
        assert not any(reply.outcome is Outcome.ACCEPTED for reply in answers)


@given(
    rounds=st.lists(st.lists(replies, min_size=1, max_size=4), min_size=1, max_size=60),
    policy=policies,
)
def test_no_row_spends_more_attempts_than_the_policy_allows(
    rounds: list[list[Reply]], policy: Policy
) -> None:
    attempts = 0
    for answers in rounds:
        verdict = judge(
            answers,
            accepted_before=False,
            attempts=attempts,
            expires_at=None,
            now=NOW,
            policy=policy,
        )
        attempts += verdict.spent
        assert attempts <= policy.max_attempts
        if verdict.to is not Status.RETRYING:
            break
        assert attempts < policy.max_attempts


@given(
    count=st.integers(1, 5),
    attempts=st.integers(0, 29),
    policy=policies,
)
def test_waiting_for_a_corrected_configuration_never_spends_an_attempt(
    count: int, attempts: int, policy: Policy
) -> None:
    verdict = judge(
        [Reply(outcome=Outcome.CONFIGURATION, code="535")] * count,
        accepted_before=False,
        attempts=min(attempts, policy.max_attempts - 1),
        expires_at=None,
        now=NOW,
        policy=policy,
    )
    assert (verdict.to, verdict.spent) == (Status.RETRYING, False)
    assert verdict.next_attempt_at is not None
    assert verdict.next_attempt_at >= NOW + timedelta(seconds=CONFIGURATION_WAIT_SECONDS)


def test_an_outage_of_a_minute_costs_no_failure_under_the_default_policy() -> None:
    """Even with the shortest jitter, twelve attempts span far more than a minute."""
    waits = [
        backoff_seconds(attempts=n, policy=DEFAULT, jitter=no_jitter)
        for n in range(1, DEFAULT.max_attempts)
    ]
    assert sum(waits) == 2.5 + 5 + 10 + 20 + 40 + 80 + 160 + 300 * 4
