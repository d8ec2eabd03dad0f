"""Decide the next status from the replies of a round: one rule per outcome, pure functions only."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import UNKNOWN_OUTCOME, Status
from apps.notifications.providers.base import Reply


class Rule(StrEnum):
    """What to do about an outcome."""

    DONE = "done"
    RETRY = "retry"  # Retry, and count an attempt.
    WAIT = "wait"  # Retry without counting an attempt.
    GIVE_UP = "give_up"


RULES: dict[Outcome, Rule] = {
    Outcome.ACCEPTED: Rule.DONE,
    Outcome.TRANSIENT: Rule.RETRY,
    Outcome.RATE_LIMITED: Rule.RETRY,
    Outcome.UNKNOWN: Rule.RETRY,
    Outcome.UNAVAILABLE: Rule.WAIT,
    Outcome.CONFIGURATION: Rule.WAIT,
    Outcome.DEAD_ADDRESS: Rule.GIVE_UP,
    Outcome.REJECTED: Rule.GIVE_UP,
    Outcome.DEFECT: Rule.GIVE_UP,
}

# Somebody has to correct wrong credentials manually, or the provider itself is in trouble; more
# frequent retries do not help.
CONFIGURATION_WAIT_SECONDS = 30.0
# Jitter for retries after an unknown outcome: the wait grows by up to this share.
UNKNOWN_SPREAD = 0.1
# Jitter for notifications that wait for a breaker or limit: their due times spread over this time.
HELD_SPREAD_SECONDS = 1.0
# The longest ``Retry-After`` of a provider that is respected.
RETRY_AFTER_MAX_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The limits and waits of retries.

    Attributes:
        max_attempts: The maximum number of attempts, the first included.
        base_seconds: The first backoff before jitter.
        max_seconds: The longest backoff.
        unknown_waits: Seconds to wait before each retry after an unknown outcome. Its length is the
            maximum number of such retries. None if a second copy replaces the first one: then an
            unknown outcome is retried like any other.
    """

    max_attempts: int
    base_seconds: float
    max_seconds: float
    unknown_waits: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Held:
    """Why and until when a message waits.

    Attributes:
        until: When to try again.
        why: The text for the timeline.
    """

    until: datetime
    why: str = "waits: no provider takes calls now"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The next status of a notification after a round.

    Attributes:
        to: The next status.
        reason: The public reason of a final status.
        spent: Whether the round counts as an attempt.
        next_attempt_at: When to try again, for ``retrying``.
        gathered: Whether the sweep wakes it together with others, so that no message of its own is
            published.
        detail: The text for the timeline.
    """

    to: Status
    reason: str = ""
    spent: bool = True
    next_attempt_at: datetime | None = None
    by_sweep: bool = False
    detail: str = ""


def backoff_seconds(
    *,
    attempts: int,
    policy: Policy,
    retry_after: float | None = None,
    jitter: Callable[[], float] = random.random,
) -> float:
    """Compute the wait before the next attempt.

    The backoff is exponential with jitter over its upper half. It is never shorter than the
    provider requests, up to ``RETRY_AFTER_MAX_SECONDS``.

    Args:
        attempts: The number of attempts used so far, at least 1.
        policy: Base and cap.
        retry_after: Seconds that the provider requests.
        jitter: Returns a number in [0, 1).

    Returns:
        Seconds.
    """
    # The exponent is capped, because the float would overflow for large numbers of attempts.
    ceiling = min(policy.max_seconds, policy.base_seconds * 2.0 ** min(attempts - 1, 60))
    wait = ceiling * (0.5 + 0.5 * jitter())
    asked = min(retry_after or 0.0, RETRY_AFTER_MAX_SECONDS)
    return max(wait, asked)


def judge(
    replies: Collection[Reply],
    *,
    accepted_before: bool,
    attempts: int,
    expires_at: datetime | None,
    now: datetime,
    policy: Policy,
    held: Held | None = None,
    unknown_before: int = 0,
    jitter: Callable[[], float] = random.random,
) -> Verdict:
    """Decide the next status from the replies of one round.

    A mail has one reply, a push message has one for each device tried. While any device may still
    be reached, the status is ``retrying``. When none is left, a single acceptance makes it
    ``sent``.

    Args:
        replies: At least one reply, unless every message was held.
        accepted_before: Whether the provider accepted it for a device in an earlier round.
        attempts: The number of attempts used before this round.
        expires_at: No attempt is made after this time.
        now: The current time, UTC.
        policy: Attempts, base and cap.
        held: Why and until when a message waits that a breaker or limit did not admit.
        unknown_before: The number of earlier calls of a mail with an unknown outcome.
        jitter: Returns a number in [0, 1).
    """
    accepted = accepted_before or _any_accepted(replies)
    again = [reply for reply in replies if RULES[reply.outcome] in {Rule.RETRY, Rule.WAIT}]
    if again and policy.unknown_waits is not None and again[0].outcome is Outcome.UNKNOWN:
        return _unknown(
            again[0],
            waits=policy.unknown_waits,
            unknown_before=unknown_before,
            attempts=attempts,
            expires_at=expires_at,
            now=now,
            policy=policy,
            jitter=jitter,
        )
    if again:
        return _try_again(
            again,
            all_waiting=all(RULES[reply.outcome] is Rule.WAIT for reply in replies),
            accepted=accepted,
            unknown_before=unknown_before,
            attempts=attempts,
            expires_at=expires_at,
            now=now,
            policy=policy,
            jitter=jitter,
        )
    in_time = held is not None and (expires_at is None or held.until < expires_at)
    # A notification that was accepted for one device must not end as expired.
    if held is not None and (in_time or not accepted):
        return _waiting(held, expires_at=expires_at, jitter=jitter)
    if accepted:
        delivered = bool(replies) and all(reply.delivered for reply in replies)
        return Verdict(to=Status.DELIVERED if delivered else Status.SENT)
    return _given_up(replies)


def _waiting(held: Held, *, expires_at: datetime | None, jitter: Callable[[], float]) -> Verdict:
    """Wait without using an attempt, because a breaker or limit did not admit the message."""
    # Add jitter, because all notifications that wait for a breaker are due at the same moment.
    due = held.until + timedelta(seconds=HELD_SPREAD_SECONDS * jitter())
    return Verdict(
        to=Status.RETRYING,
        spent=False,
        # If it expires while it waits, it is due at its expiry and not at the end of the wait.
        next_attempt_at=due if expires_at is None else min(due, expires_at),
        by_sweep=True,
        detail=held.why,
    )


def _any_accepted(replies: Collection[Reply]) -> bool:
    return any(reply.outcome is Outcome.ACCEPTED for reply in replies)


def _unknown(
    reply: Reply,
    *,
    waits: tuple[float, ...],
    unknown_before: int,
    attempts: int,
    expires_at: datetime | None,
    now: datetime,
    policy: Policy,
    jitter: Callable[[], float],
) -> Verdict:
    """Retry a mail with an unknown outcome rarely and late, and record that when giving up.

    The mail may have arrived. RFC 5321, 4.5.3.2.6: a lost reply to the final dot leads to
    duplicate copies.
    """
    words = f"no answer, so it may have arrived: {_said(reply) or reply.outcome}"
    if unknown_before < len(waits) and attempts + 1 < policy.max_attempts:
        wait = max(
            waits[unknown_before] * (1 + UNKNOWN_SPREAD * jitter()),
            backoff_seconds(attempts=attempts + 1, policy=policy, jitter=jitter),
        )
        due = now + timedelta(seconds=wait)
        if expires_at is None or due < expires_at:
            return Verdict(to=Status.RETRYING, next_attempt_at=due, detail=words)
    return Verdict(to=Status.FAILED, reason=UNKNOWN_OUTCOME, detail=words)


def _try_again(
    again: list[Reply],
    *,
    all_waiting: bool,
    accepted: bool,
    unknown_before: int,
    attempts: int,
    expires_at: datetime | None,
    now: datetime,
    policy: Policy,
    jitter: Callable[[], float],
) -> Verdict:
    spent = not all_waiting
    used = attempts + 1 if spent else attempts
    asked = max((reply.retry_after or 0.0 for reply in again), default=0.0)
    if all_waiting:
        asked = max(asked, CONFIGURATION_WAIT_SECONDS)
    wait = backoff_seconds(
        attempts=max(used, 1), policy=policy, retry_after=asked or None, jitter=jitter
    )
    due = now + timedelta(seconds=wait)
    words = f"{again[0].outcome}: {_said(again[0]) or again[0].outcome}"
    out_of_attempts = used >= policy.max_attempts
    if out_of_attempts or (expires_at is not None and due >= expires_at):
        if accepted:
            return Verdict(to=Status.SENT, spent=spent)
        what = "attempts are spent" if out_of_attempts else "the deadline leaves no further attempt"
        words, reason = f"{words}; {what}", "attempts_exhausted"
        if policy.unknown_waits is not None and unknown_before:
            # The later replies do not show whether the earlier copy with the unknown outcome
            # arrived.
            words, reason = f"{words}; an earlier copy may have arrived", UNKNOWN_OUTCOME
        return Verdict(to=Status.FAILED, reason=reason, spent=spent, detail=words)
    return Verdict(to=Status.RETRYING, spent=spent, next_attempt_at=due, detail=words)


def _given_up(replies: Collection[Reply]) -> Verdict:
    last = list(replies)[-1]
    reason = last.reason or last.outcome.value
    to = Status.BOUNCED if reason == "hard_bounce" else Status.FAILED
    return Verdict(to=to, reason=reason, detail=_said(last) or reason)


def _said(reply: Reply) -> str:
    """Return the code and the provider's own words."""
    return " ".join(word for word in (reply.code, reply.detail) if word)
