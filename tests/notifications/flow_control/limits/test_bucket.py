"""The token bucket and its wait queues, as pure functions."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.broker.topology import Urgency
from apps.notifications.flow_control.limits.bucket import (
    BURST_MIN,
    HORIZON_SECONDS,
    RELEASE_MAX,
    Bucket,
    Grant,
    RequestClass,
)

NOW = 1_000_000.0
URGENT, NORMAL, BULK = (RequestClass(urgency=urgency) for urgency in Urgency)
RETURNING = RequestClass(urgency=Urgency.BULK, returning=True)


def take(
    bucket: Bucket,
    wanted: int,
    request: RequestClass = URGENT,
    *,
    rate: float = 100.0,
    now: float = NOW,
) -> tuple[Bucket, Grant]:
    return bucket.taken(request, wanted=wanted, maximum=rate, now=now)


def test_of_a_chunk_of_a_hundred_the_messages_without_a_token_wait_at_the_rate() -> None:
    _, grant = take(Bucket(), 100, rate=30)

    assert grant.count == 30
    assert grant.wait_seconds == pytest.approx([place / 30 for place in range(1, 71)])


def test_later_messages_wait_behind_earlier_ones() -> None:
    bucket, _ = take(Bucket(), 100, rate=10)

    _, second = take(bucket, 100, rate=10)

    assert second.count == 0
    assert second.wait_seconds[0] == pytest.approx(9.1)


def test_a_bulk_lane_leaves_the_last_part_to_the_urgent_one() -> None:
    bucket, bulk = take(Bucket(), 1000, BULK)
    bucket, normal = take(bucket, 1000, NORMAL)
    _, urgent = take(bucket, 1000, URGENT)

    assert (bulk.count, normal.count, urgent.count) == (70, 20, 10)


def test_at_one_call_a_second_there_is_still_one_kept_for_the_urgent_lane() -> None:
    bucket, bulk = take(Bucket(), 5, BULK, rate=1)
    _, urgent = take(bucket, 5, URGENT, rate=1)

    assert (bulk.count, urgent.count) == (1, 1)


def test_messages_that_have_waited_are_sent_before_new_ones() -> None:
    bucket, first = take(Bucket(), 200, BULK)
    later = NOW + 0.2

    bucket, new = take(bucket, 50, BULK, now=later)
    _, returning = take(bucket, 50, RETURNING, now=later)

    assert (first.count, new.count, returning.count) == (70, 0, 20)


def test_with_enough_tokens_new_messages_do_not_wait() -> None:
    bucket, _ = take(Bucket(), 1000, BULK)

    _, new = take(bucket, 40, BULK, now=NOW + 1)

    assert new.count == 40


def test_in_a_pause_nothing_is_sent_and_the_wait_queue_begins_at_its_end() -> None:
    _, grant = take(Bucket(paused_until=NOW + 60), 2, rate=10)

    assert (grant.count, grant.paused) == (0, True)
    assert grant.wait_seconds == pytest.approx([60.1, 60.2])


def test_a_wait_queue_has_an_end_and_messages_beyond_it_ask_again_about_then() -> None:
    bucket, grant = take(Bucket(), 100_000, rate=1)

    assert max(bucket.queues.values()) == NOW + HORIZON_SECONDS
    beyond = grant.wait_seconds[int(HORIZON_SECONDS) + 1 :]
    assert HORIZON_SECONDS < min(beyond) < HORIZON_SECONDS * 1.01
    assert HORIZON_SECONDS * 1.19 < max(beyond) < HORIZON_SECONDS * 1.2


def test_a_pause_of_an_hour_is_not_shortened() -> None:
    _, grant = take(Bucket(paused_until=NOW + 3600), 5, rate=1)

    assert min(grant.wait_seconds) >= 3600


def test_messages_are_released_only_where_some_wait_and_the_bucket_is_nearly_full() -> None:
    idle, _ = take(Bucket(), 10, rate=10)
    queued, _ = take(Bucket(), 100, rate=10)

    assert idle.releasable(maximum=10, now=NOW + 5) == 0
    assert queued.releasable(maximum=10, now=NOW + 0.5) == 0
    # Times were given out for nine seconds, and no message has returned at one of them.
    assert queued.releasable(maximum=10, now=NOW + 5) == 7
    assert queued.releasable(maximum=None, now=NOW + 5) == RELEASE_MAX
    assert queued.releasable(maximum=10, now=NOW + 9) == 0


@given(st.floats(0.1, 2000))
def test_at_every_rate_a_full_bucket_releases_some_of_the_messages_that_wait(rate: float) -> None:
    waiting = Bucket(queues={BULK.queue: NOW + 60})

    assert 1 <= waiting.releasable(maximum=rate, now=NOW) <= max(BURST_MIN, rate)


steps = st.lists(
    st.tuples(
        st.floats(-1, 5, allow_nan=False).map(lambda passed: round(passed, 3)),
        st.integers(1, 300),
        st.builds(RequestClass, urgency=st.sampled_from(list(Urgency)), returning=st.booleans()),
        st.sampled_from([0.0, 0.0, 0.0, 2.5]),
    ),
    min_size=1,
    max_size=25,
)


@given(steps, st.floats(0.1, 2000))
def test_no_more_is_sent_than_the_rate_allows_and_one_burst(
    asked: list[tuple[float, int, RequestClass, float]], rate: float
) -> None:
    bucket, now, gone = Bucket(), NOW, 0
    began = latest = NOW + asked[0][0]
    for passed, wanted, request, pause in asked:
        now += passed
        latest = max(latest, now)
        bucket = replace(bucket, paused_until=now + pause)
        bucket, grant = take(bucket, wanted, request, rate=rate, now=now)
        gone += grant.count
        assert 0 <= grant.count <= wanted
        assert gone <= rate * (latest - began) + max(BURST_MIN, rate) + 0.001
        assert len(grant.wait_seconds) == wanted - grant.count
        assert all(wait > 0 for wait in grant.wait_seconds)


@given(st.floats(2, 500), st.integers(1, 3))
def test_a_backlog_returns_at_the_rate_and_each_message_once(rate: float, chunks: int) -> None:
    bucket, due = Bucket(), []
    for _ in range(chunks):
        bucket, grant = take(bucket, 100, BULK, rate=rate)
        due += [NOW + wait for wait in grant.wait_seconds]
    without_token = 0
    for at in sorted(due):
        bucket, grant = take(bucket, 1, RETURNING, rate=rate, now=at)
        without_token += 1 - grant.count

    assert without_token == 0
