"""What follows from certain answers: the next status, the time of a retry, and the reason shown."""

from datetime import datetime, timedelta

import pytest

from apps.notifications.delivery.retry_policy import Held, Policy, Verdict, judge
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.providers.base import Reply
from tests.notifications.delivery.policies import DEFAULT, NOW, no_jitter


@pytest.mark.parametrize(
    ("outcome", "reason", "to", "shown"),
    [
        (Outcome.ACCEPTED, "", Status.SENT, ""),
        (Outcome.DEAD_ADDRESS, "hard_bounce", Status.BOUNCED, "hard_bounce"),
        (Outcome.DEAD_ADDRESS, "unregistered", Status.FAILED, "unregistered"),
        (Outcome.REJECTED, "", Status.FAILED, "rejected"),
        (Outcome.DEFECT, "", Status.FAILED, "defect"),
    ],
)
def test_a_final_answer_ends_the_notification(
    outcome: Outcome, reason: str, to: Status, shown: str
) -> None:
    verdict = judge(
        [Reply(outcome=outcome, reason=reason)],
        accepted_before=False,
        attempts=0,
        expires_at=None,
        now=NOW,
        policy=DEFAULT,
    )
    assert (verdict.to, verdict.reason, verdict.spent) == (to, shown, True)


def test_an_acceptance_that_confirms_the_delivery_is_delivered() -> None:
    verdict = judge(
        [Reply(outcome=Outcome.ACCEPTED, delivered=True)],
        accepted_before=False,
        attempts=0,
        expires_at=None,
        now=NOW,
        policy=DEFAULT,
    )
    assert verdict.to is Status.DELIVERED


@pytest.mark.parametrize("outcome", [Outcome.TRANSIENT, Outcome.RATE_LIMITED, Outcome.UNKNOWN])
def test_the_last_attempt_ends_in_failed(outcome: Outcome) -> None:
    verdict = judge(
        [Reply(outcome=outcome, code="451")],
        accepted_before=False,
        attempts=11,
        expires_at=None,
        now=NOW,
        policy=DEFAULT,
    )
    assert (verdict.to, verdict.reason) == (Status.FAILED, "attempts_exhausted")
    assert verdict.detail == f"{outcome}: 451; attempts are spent"


@pytest.mark.parametrize(
    ("expires_in", "to"), [(2.5, Status.FAILED), (2.51, Status.RETRYING), (None, Status.RETRYING)]
)
def test_a_retry_after_the_deadline_is_not_made(expires_in: float | None, to: Status) -> None:
    verdict = judge(
        [Reply(outcome=Outcome.TRANSIENT)],
        accepted_before=False,
        attempts=0,
        expires_at=None if expires_in is None else NOW + timedelta(seconds=expires_in),
        now=NOW,
        policy=DEFAULT,
        jitter=no_jitter,
    )
    assert verdict.to is to
    assert verdict.reason == ("attempts_exhausted" if to is Status.FAILED else "")


def device_round(*outcomes: Outcome, accepted_before: bool = False, attempts: int = 0) -> Status:
    return judge(
        [Reply(outcome=outcome) for outcome in outcomes],
        accepted_before=accepted_before,
        attempts=attempts,
        expires_at=None,
        now=NOW,
        policy=DEFAULT,
    ).to


def test_a_push_is_retrying_while_one_device_is_undecided() -> None:
    assert device_round(Outcome.ACCEPTED, Outcome.TRANSIENT) is Status.RETRYING
    assert device_round(Outcome.DEAD_ADDRESS, Outcome.CONFIGURATION) is Status.RETRYING


def test_a_push_is_sent_when_one_device_accepted_and_none_is_undecided() -> None:
    assert device_round(Outcome.ACCEPTED, Outcome.DEAD_ADDRESS) is Status.SENT
    assert device_round(Outcome.DEAD_ADDRESS, accepted_before=True) is Status.SENT


def test_a_push_that_spent_its_attempts_is_sent_if_one_device_ever_accepted() -> None:
    assert device_round(Outcome.TRANSIENT, accepted_before=True, attempts=11) is Status.SENT
    assert device_round(Outcome.TRANSIENT, Outcome.ACCEPTED, attempts=11) is Status.SENT
    assert device_round(Outcome.TRANSIENT, attempts=11) is Status.FAILED


def test_a_push_fails_when_every_device_is_dead() -> None:
    assert device_round(Outcome.DEAD_ADDRESS, Outcome.DEAD_ADDRESS) is Status.FAILED


def test_a_round_with_a_transient_error_among_waits_counts_as_an_attempt() -> None:
    verdict = judge(
        [Reply(outcome=Outcome.CONFIGURATION), Reply(outcome=Outcome.TRANSIENT)],
        accepted_before=False,
        attempts=3,
        expires_at=None,
        now=NOW,
        policy=DEFAULT,
    )
    assert (verdict.to, verdict.spent) == (Status.RETRYING, True)


MAIL = Policy(max_attempts=12, base_seconds=5.0, max_seconds=600.0, unknown_waits=(300.0, 1800.0))
UNANSWERED = Reply(outcome=Outcome.UNKNOWN, code="TimeoutError")


def unanswered(unknown_before: int, *, expires_at: datetime | None = None) -> Verdict:
    return judge(
        [UNANSWERED],
        accepted_before=False,
        attempts=unknown_before,
        unknown_before=unknown_before,
        expires_at=expires_at,
        now=NOW,
        policy=MAIL,
        jitter=no_jitter,
    )


@pytest.mark.parametrize(("before", "minutes"), [(0, 5), (1, 30)])
def test_a_mail_that_may_have_arrived_is_repeated_after_five_and_thirty_minutes(
    before: int, minutes: int
) -> None:
    verdict = unanswered(before)

    # Not gathered: rows that wait for a rate limit are released early, and this one must not be.
    assert (verdict.to, verdict.spent, verdict.by_sweep) == (Status.RETRYING, True, False)
    assert verdict.next_attempt_at == NOW + timedelta(minutes=minutes)
    assert "may have arrived" in verdict.detail


def test_a_mail_that_may_have_arrived_twice_fails_with_that_reason() -> None:
    verdict = unanswered(2)

    assert (verdict.to, verdict.reason) == (Status.FAILED, "unknown_outcome")
    assert "may have arrived" in verdict.detail


def test_a_repetition_after_the_deadline_is_not_made() -> None:
    verdict = unanswered(0, expires_at=NOW + timedelta(minutes=4))

    assert (verdict.to, verdict.reason) == (Status.FAILED, "unknown_outcome")


def test_a_mail_that_runs_out_of_attempts_says_that_an_earlier_copy_may_have_arrived() -> None:
    verdict = judge(
        [Reply(outcome=Outcome.TRANSIENT, code="451")],
        accepted_before=False,
        attempts=11,
        unknown_before=1,
        expires_at=None,
        now=NOW,
        policy=MAIL,
    )
    assert (verdict.to, verdict.reason) == (Status.FAILED, "unknown_outcome")
    assert verdict.detail.endswith("attempts are spent; an earlier copy may have arrived")


def test_a_push_of_unknown_outcome_is_repeated_like_any_other() -> None:
    """A second copy replaces the first on the device."""
    verdict = judge(
        [UNANSWERED],
        accepted_before=False,
        attempts=4,
        unknown_before=4,
        expires_at=None,
        now=NOW,
        policy=DEFAULT,
    )
    assert verdict.to is Status.RETRYING
    assert verdict.next_attempt_at is not None
    assert verdict.next_attempt_at <= NOW + timedelta(seconds=80)


LATER = NOW + timedelta(seconds=40)
HELD = Held(until=LATER, why="waits for its turn with smtp")


def held(
    *replies: Reply, accepted_before: bool = False, expires_at: datetime | None = None
) -> Verdict:
    return judge(
        replies,
        accepted_before=accepted_before,
        attempts=3,
        expires_at=expires_at,
        now=NOW,
        policy=DEFAULT,
        held=HELD,
        jitter=lambda: 0.5,
    )


@pytest.mark.parametrize(
    "replies",
    [
        [],
        [Reply(outcome=Outcome.ACCEPTED)],
        [Reply(outcome=Outcome.DEAD_ADDRESS), Reply(outcome=Outcome.REJECTED)],
    ],
)
def test_a_call_that_was_held_back_waits_without_spending_an_attempt(replies: list[Reply]) -> None:
    assert held(*replies) == Verdict(
        to=Status.RETRYING,
        spent=False,
        next_attempt_at=LATER + timedelta(seconds=0.5),
        by_sweep=True,
        detail="waits for its turn with smtp",
    )


def test_a_failed_device_costs_an_attempt_even_if_another_was_held_back() -> None:
    verdict = held(Reply(outcome=Outcome.TRANSIENT))

    assert (verdict.to, verdict.spent, verdict.by_sweep) == (Status.RETRYING, True, False)


def test_a_notification_that_expires_while_it_waits_is_due_at_its_expiry() -> None:
    soon = NOW + timedelta(seconds=10)

    verdict = held(expires_at=soon)

    assert (verdict.to, verdict.next_attempt_at) == (Status.RETRYING, soon)


@pytest.mark.parametrize("before", [True, False])
def test_a_push_that_one_device_accepted_is_sent_if_it_expires_for_another(*, before: bool) -> None:
    replies = [] if before else [Reply(outcome=Outcome.ACCEPTED)]

    verdict = held(*replies, accepted_before=before, expires_at=NOW + timedelta(seconds=10))

    assert verdict.to is Status.SENT
