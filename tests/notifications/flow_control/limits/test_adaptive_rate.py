"""How the rate follows a provider's answers, as pure functions."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.flow_control.limits.adaptive_rate import (
    CALM_SECONDS,
    FLOOR_PER_SECOND,
    PAUSE_SECONDS_MAX,
    AdaptiveRate,
    PendingStats,
)

NOW = 1_000_000.0
CALM = int(CALM_SECONDS)


def refused(calls: int, *, slower: int, began: float = NOW, pause: float = 0.0) -> PendingStats:
    return PendingStats(
        calls=calls, taken=calls - slower, slower=slower, began=began, pause_seconds=pause
    )


def cut_from(per_second: int, *, maximum: float | None = None) -> AdaptiveRate:
    """Return what is known of a provider that refused a tenth of so many calls in a second."""
    stats = refused(per_second, slower=per_second // 10)
    return AdaptiveRate().adapted(stats, maximum=maximum, now=NOW)


def rate_after(known: AdaptiveRate, *, seconds: int, maximum: float | None = None) -> float:
    """Return the rate after seconds in which all calls were accepted; 0 without a limit."""
    for second in range(1, seconds + 1):
        stats = PendingStats(calls=10, taken=10)
        known = known.adapted(stats, maximum=maximum, now=known.cut_at + second)
    return known.rate or 0


def test_without_a_maximum_and_without_refusals_there_is_no_limit() -> None:
    known = AdaptiveRate().adapted(PendingStats(calls=500, taken=500), maximum=None, now=NOW)

    assert known.allowed(None) is None


def test_the_maximum_holds_from_the_beginning() -> None:
    assert AdaptiveRate().allowed(20.0) == 20.0


def test_a_provider_that_asks_for_fewer_calls_gets_half_of_them() -> None:
    assert cut_from(100).rate == 50
    assert cut_from(100, maximum=40).rate == 20


def test_what_was_under_way_at_the_cut_does_not_cut_again() -> None:
    cut = cut_from(100)

    late = cut.adapted(refused(50, slower=50, began=NOW - 1), maximum=None, now=NOW + 0.5)
    soon = cut.adapted(refused(50, slower=50, began=NOW + 0.9), maximum=None, now=NOW + 1)
    again = cut.adapted(refused(50, slower=50, began=NOW + 1), maximum=None, now=NOW + 2)

    assert late.rate == soon.rate == cut.rate
    assert again.rate == 25


def test_after_a_cut_by_the_first_few_answers_the_rate_doubles_until_the_next_refusal() -> None:
    cut = AdaptiveRate().adapted(refused(2, slower=1), maximum=None, now=NOW)

    assert cut.rate == 1
    assert [rate_after(cut, seconds=seconds) for seconds in (1, 2, 3, 7)] == [2, 4, 8, 128]


def test_from_the_second_cut_on_the_rate_rises_by_the_same_each_second() -> None:
    cut = cut_from(400).adapted(refused(200, slower=10, began=NOW + 5), maximum=None, now=NOW + 5)

    assert cut.rate == 100
    assert [rate_after(cut, seconds=seconds) for seconds in (1, 2, 25)] == [104, 108, 200]


def test_a_few_refusals_among_many_calls_speak_of_single_recipients() -> None:
    known = AdaptiveRate().adapted(refused(100, slower=4), maximum=None, now=NOW)

    assert known.rate is None


def test_it_is_never_cut_below_the_floor_nor_below_a_smaller_maximum() -> None:
    for maximum, floor in ((None, FLOOR_PER_SECOND), (0.2, 0.2)):
        known = AdaptiveRate()
        for second in range(20):
            stats = refused(1, slower=1, began=NOW + second * 2)
            known = known.adapted(stats, maximum=maximum, now=NOW + second * 2)
        assert known.allowed(maximum) == floor


def test_success_raises_it_by_the_same_each_second_however_often_it_is_reported() -> None:
    cut = cut_from(200).adapted(refused(100, slower=9, began=NOW + 2), maximum=None, now=NOW + 2)
    slowly = quickly = cut
    for second in range(3, 8):
        slowly = slowly.adapted(PendingStats(calls=40, taken=40), maximum=None, now=NOW + second)
        for tenth in range(1, 11):
            now = NOW + second - 1 + tenth / 10
            quickly = quickly.adapted(PendingStats(calls=4, taken=4), maximum=None, now=now)

    assert slowly.rate == pytest.approx(quickly.rate)
    assert slowly.rate == (cut.rate or 0) + 10


def cut_again_and_again(*, taken: int) -> AdaptiveRate:
    """Return what is known of a provider that took 100 a second, and then refused nearly all."""
    known = cut_from(400).adapted(refused(200, slower=10, began=NOW + 2), maximum=None, now=NOW + 2)
    for second in range(4, 34, 2):
        now = NOW + second
        stats = PendingStats(calls=taken + 10, taken=taken, slower=10, began=now)
        known = known.adapted(stats, maximum=None, now=now)
    return known


def test_a_server_that_refused_everything_for_a_while_is_back_within_seconds() -> None:
    known = cut_again_and_again(taken=0)

    assert known.rate == FLOOR_PER_SECOND
    assert rate_after(known, seconds=7) == 100


def test_a_server_that_took_some_all_the_while_is_approached_slowly() -> None:
    known = cut_again_and_again(taken=3)

    assert known.rate == FLOOR_PER_SECOND
    assert rate_after(known, seconds=7) == 8


def test_silence_raises_nothing() -> None:
    known = cut_from(100).adapted(PendingStats(calls=1, taken=1), maximum=1000, now=NOW + 1000)

    assert known.rate == 100


def test_with_a_maximum_it_rises_up_to_that_and_ends() -> None:
    cut = cut_from(500, maximum=50)

    assert rate_after(cut, seconds=1, maximum=50) == 0
    again = cut.adapted(refused(20, slower=9, began=NOW + 2), maximum=50, now=NOW + 2)
    assert [rate_after(again, seconds=after, maximum=50) for after in (37, 38)] == [49.5, 0]


def test_without_a_maximum_it_ends_a_minute_after_the_last_cut() -> None:
    cut = cut_from(200).adapted(refused(100, slower=9, began=NOW + 2), maximum=None, now=NOW + 2)

    assert rate_after(cut, seconds=CALM - 1) == pytest.approx(50 + 2 * (CALM - 1))
    assert rate_after(cut, seconds=CALM) == 0


def test_a_pause_is_kept_up_to_its_bound_and_raises_nothing_meanwhile() -> None:
    paused = AdaptiveRate().adapted(refused(1, slower=1, pause=90), maximum=None, now=NOW)
    day = AdaptiveRate().adapted(refused(1, slower=1, pause=86_400), maximum=None, now=NOW)

    taken = PendingStats(calls=5, taken=5, began=NOW)
    meanwhile = paused.adapted(taken, maximum=None, now=NOW + 80)
    afterwards = paused.adapted(taken, maximum=None, now=NOW + 100)

    assert paused.paused_until == NOW + 90
    assert day.paused_until == NOW + PAUSE_SECONDS_MAX
    assert meanwhile.rate == paused.rate
    # The minute without refusals begins at the end of the pause.
    assert afterwards.rate == 2


answers = st.lists(
    st.tuples(
        st.floats(0, 30, allow_nan=False),
        st.integers(0, 2000),
        st.floats(0, 1),
        st.floats(0, 5),
        st.floats(0, 10_000),
    ),
    max_size=60,
)


@given(answers, st.none() | st.floats(0.01, 5000))
def test_whatever_comes_it_stays_between_floor_and_maximum_and_recovers(
    steps: list[tuple[float, int, float, float, float]], maximum: float | None
) -> None:
    known, now = AdaptiveRate(), NOW
    for passed, calls, part, ago, pause in steps:
        now += passed
        slower = int(calls * part)
        stats = refused(calls, slower=slower, began=now - ago, pause=pause)
        known = known.adapted(stats, maximum=maximum, now=now)
        rate = known.allowed(maximum)
        if maximum is not None:
            assert rate is not None
            assert rate <= maximum
        assert rate is None or rate >= min(FLOOR_PER_SECOND, maximum or FLOOR_PER_SECOND)
        assert known.paused_until <= now + PAUSE_SECONDS_MAX

    # One call a second, taken each time, is all that it needs to come back.
    now = max(now, known.paused_until)
    known = replace(known, raised_at=now)
    for _ in range(6000):
        if known.rate is None:
            break
        now += 1
        known = known.adapted(PendingStats(calls=1, taken=1), maximum=maximum, now=now)
    assert known.allowed(maximum) == maximum
