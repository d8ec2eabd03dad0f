"""The schedule of attempts and the breaker: pure functions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.webhooks.schedule import (
    DISABLE_AFTER,
    LAST_PAUSE,
    OPEN_AFTER_FAILURES,
    TRIES_MAX,
    Answer,
    CallError,
    Health,
    after,
    next_try,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
FAILED = Answer(status_code=500)
DELIVERED = Answer(status_code=204)


def waits(*, chance: float) -> list[timedelta]:
    found = []
    for tries in range(1, TRIES_MAX):
        at = next_try(FAILED, tries=tries, now=NOW, chance=chance)
        assert at is not None
        found.append(at - NOW)
    return found


def test_the_waits_are_those_of_standard_webhooks() -> None:
    hours = [2, 5, 10, 14, 20, 24]
    expected = [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)]
    assert waits(chance=0.0) == [*expected, *(timedelta(hours=each) for each in hours)]
    assert next_try(FAILED, tries=TRIES_MAX, now=NOW, chance=0.0) is None


@given(st.floats(0, 1))
def test_jitter_makes_no_wait_shorter_and_none_longer_than_a_tenth(chance: float) -> None:
    for wait, least in zip(waits(chance=chance), waits(chance=0.0), strict=True):
        assert least <= wait <= least * 1.1


def test_retry_after_makes_a_wait_longer_and_never_shorter() -> None:
    longer = Answer(status_code=429, retry_after=timedelta(minutes=1))
    shorter = Answer(status_code=429, retry_after=timedelta(seconds=1))
    endless = Answer(status_code=503, retry_after=timedelta(days=400))
    assert next_try(longer, tries=1, now=NOW, chance=0) == NOW + timedelta(minutes=1)
    assert next_try(shorter, tries=1, now=NOW, chance=0) == NOW + timedelta(seconds=5)
    assert next_try(endless, tries=1, now=NOW, chance=0) == NOW + timedelta(hours=24)


def test_an_endpoint_that_is_gone_is_not_tried_again() -> None:
    assert next_try(Answer(status_code=410), tries=1, now=NOW, chance=0) is None


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_a_success(status: int) -> None:
    assert Answer(status_code=status).delivered


@pytest.mark.parametrize("status", [None, 100, 199, 300, 302, 400, 500])
def test_anything_else_is_none(status: int | None) -> None:
    assert not Answer(status_code=status).delivered


def test_the_breaker_opens_after_failures_in_a_row_for_longer_and_longer() -> None:
    health, now, pauses = Health(), NOW, []
    for _ in range(OPEN_AFTER_FAILURES + 10):
        health = after(FAILED, health, now=now)
        if health.open_until is not None:
            pauses.append(health.open_until - now)
            now = health.open_until
    assert len(pauses) == 11
    assert pauses[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert pauses[-1] == LAST_PAUSE
    assert after(DELIVERED, health, now=now) == Health()


def test_calls_that_were_in_flight_do_not_lengthen_the_pause() -> None:
    health = Health()
    for _ in range(16):
        health = after(FAILED, health, now=NOW)
    assert health.open_until == NOW + timedelta(seconds=5)


def test_a_timeout_counts_as_a_failure() -> None:
    assert after(Answer(error=CallError.TIMEOUT), Health(), now=NOW).failures == 1


def test_five_days_without_a_success_are_beyond_hope() -> None:
    health = after(FAILED, Health(), now=NOW)
    assert not health.is_beyond_hope(NOW + DISABLE_AFTER - timedelta(seconds=1))
    assert health.is_beyond_hope(NOW + DISABLE_AFTER)


@given(st.lists(st.sampled_from([200, 204, 301, 410, 429, 500, None]), max_size=50))
def test_failures_are_counted_since_the_last_success(statuses: list[int | None]) -> None:
    health = Health()
    for status in statuses:
        health = after(Answer(status_code=status), health, now=NOW)
    since = 0
    for status in reversed(statuses):
        if status in {200, 204}:
            break
        since += 1
    assert health.failures == since
    assert (health.failing_since is None) == (since == 0)
