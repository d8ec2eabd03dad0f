"""How the rate follows a provider's answers, as pure functions."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.flow_control.limits.adaptive_rate import (
    CALM_SECONDS,
    CUT_TO,
    FLOOR_PER_SECOND,
    PAUSE_SECONDS_MAX,
    SEEN_SECONDS,
    AdaptiveRate,
    PendingStats,
    adapted,
    allowed,
    seen_per_second,
)

NOW = 1_000_000.0


def after_calls(per_second: int, *, seconds: int = 4, maximum: float | None = None) -> AdaptiveRate:
    """Return what is known of a provider that took so many calls each second before NOW."""
    known = AdaptiveRate()
    for second in range(seconds):
        stats = PendingStats(calls=per_second, taken=per_second)
        known = adapted(known, stats, maximum=maximum, now=NOW - seconds + second)
    return known


def refused(calls: int, *, slower: int, began: float = NOW, pause: float = 0.0) -> PendingStats:
    return PendingStats(
        calls=calls, taken=calls - slower, slower=slower, began=began, pause_seconds=pause
    )


def test_without_a_maximum_and_unprovoked_there_is_no_limit() -> None:
    assert allowed(after_calls(500), maximum=None) is None


def test_the_maximum_holds_from_the_beginning() -> None:
    assert allowed(AdaptiveRate(), maximum=20.0) == 20.0


def test_a_provider_that_asks_for_fewer_calls_gets_half_of_what_was_seen() -> None:
    known = after_calls(100)
    assert 90 <= seen_per_second(known, now=NOW) <= 110

    cut = adapted(known, refused(10, slower=10), maximum=None, now=NOW)

    assert cut.cut_from >= 90
    assert allowed(cut, maximum=None) == cut.cut_from * CUT_TO


def test_what_was_under_way_at_the_cut_does_not_cut_again() -> None:
    cut = adapted(after_calls(100), refused(50, slower=50), maximum=None, now=NOW)

    late = adapted(cut, refused(50, slower=50, began=NOW - 1), maximum=None, now=NOW + 0.5)
    soon = adapted(cut, refused(50, slower=50, began=NOW + 0.9), maximum=None, now=NOW + 1)
    again = adapted(cut, refused(50, slower=50, began=NOW + 1), maximum=None, now=NOW + 2)

    assert late.rate == soon.rate == cut.rate
    assert (again.rate or 0) < (cut.rate or 0)


def test_a_cut_that_went_by_the_first_answer_is_put_right_by_those_under_way() -> None:
    first = adapted(AdaptiveRate(), refused(1, slower=1), maximum=None, now=NOW)

    others = adapted(first, refused(80, slower=20, began=NOW - 1), maximum=None, now=NOW + 0.2)

    assert (first.rate, others.rate) == (1.0, 40.0)


def test_one_call_under_a_hardly_used_limit_does_not_cut_it_to_nothing() -> None:
    cut = adapted(after_calls(100), refused(50, slower=50), maximum=None, now=NOW)

    again = adapted(cut, refused(1, slower=1, began=NOW + 60), maximum=None, now=NOW + 60)

    assert again.rate == (cut.rate or 0) / 4


def test_a_few_refusals_among_many_calls_speak_of_single_recipients() -> None:
    known = adapted(after_calls(100), refused(100, slower=4), maximum=None, now=NOW)

    assert known.rate is None


def test_it_is_never_cut_below_the_floor_nor_below_a_smaller_maximum() -> None:
    for maximum, floor in ((None, FLOOR_PER_SECOND), (0.2, 0.2)):
        known = AdaptiveRate()
        for second in range(20):
            stats = refused(1, slower=1, began=NOW + second * 2)
            known = adapted(known, stats, maximum=maximum, now=NOW + second * 2)
        assert allowed(known, maximum=maximum) == floor


def test_success_raises_it_by_the_same_each_second_however_often_it_is_told() -> None:
    cut = adapted(after_calls(100), refused(100, slower=100), maximum=None, now=NOW)
    slowly = quickly = cut
    for second in range(1, 6):
        slowly = adapted(slowly, PendingStats(calls=40, taken=40), maximum=None, now=NOW + second)
        for tenth in range(10):
            stats = PendingStats(calls=4, taken=4)
            now = NOW + second - 0.9 + tenth / 10
            quickly = adapted(quickly, stats, maximum=None, now=now)

    assert slowly.rate is not None
    assert quickly.rate is not None
    assert abs(slowly.rate - quickly.rate) < 0.01
    assert slowly.rate > (cut.rate or 0) + 4


def cut_again_and_again(*, taken: int) -> AdaptiveRate:
    """Return what is known of a provider that took 100 a second, and then refused nearly all."""
    known = after_calls(100)
    for second in range(0, 30, 2):
        now = NOW + second
        stats = PendingStats(calls=taken + 10, taken=taken, slower=10, began=now)
        known = adapted(known, stats, maximum=None, now=now)
    return known


def rate_after(known: AdaptiveRate, *, seconds: int) -> float:
    for second in range(1, seconds + 1):
        used = int(known.rate or 0) + 1
        known = adapted(
            known, PendingStats(calls=used, taken=used), maximum=None, now=NOW + 30 + second
        )
    return known.rate or 0


def test_a_server_that_refused_everything_for_a_while_is_back_within_seconds() -> None:
    known = cut_again_and_again(taken=0)

    assert known.rate == FLOOR_PER_SECOND
    assert 40 <= rate_after(known, seconds=7) <= 60


def test_a_server_that_took_some_all_the_while_is_approached_slowly() -> None:
    known = cut_again_and_again(taken=3)

    assert rate_after(known, seconds=7) < 15


def test_silence_raises_nothing() -> None:
    cut = adapted(after_calls(100), refused(100, slower=100), maximum=None, now=NOW)

    later = adapted(cut, PendingStats(calls=1, taken=1), maximum=None, now=NOW + 1000)

    assert (later.rate or 0) - (cut.rate or 0) < 10
    assert (cut.rate or 0) >= 45


def test_with_a_maximum_it_rises_up_to_that_and_is_off() -> None:
    known = adapted(after_calls(50, maximum=50), refused(50, slower=9), maximum=50, now=NOW)
    for second in range(1, 40):
        assert (allowed(known, maximum=50) or 0) <= 50
        known = adapted(known, PendingStats(calls=40, taken=40), maximum=50, now=NOW + second)

    assert known.rate is None


def test_without_a_maximum_it_is_off_when_twice_as_much_is_allowed_as_is_asked_for() -> None:
    known = adapted(after_calls(100), refused(100, slower=100), maximum=None, now=NOW)
    second = 0
    while known.rate is not None:
        second += 1
        assert second < 200
        known = adapted(known, PendingStats(calls=40, taken=40), maximum=None, now=NOW + second)

    assert second >= CALM_SECONDS


def test_while_it_is_used_up_it_goes_on_rising_and_stays_on() -> None:
    known = adapted(after_calls(100), refused(100, slower=100), maximum=None, now=NOW)
    for second in range(1, 60):
        used = int(known.rate or 0)
        known = adapted(known, PendingStats(calls=used, taken=used), maximum=None, now=NOW + second)

    assert (known.rate or 0) > 100


def test_a_pause_is_kept_up_to_its_bound_and_raises_nothing_meanwhile() -> None:
    paused = adapted(AdaptiveRate(), refused(1, slower=1, pause=30), maximum=None, now=NOW)
    day = adapted(AdaptiveRate(), refused(1, slower=1, pause=86_400), maximum=None, now=NOW)

    late = adapted(paused, PendingStats(calls=5, taken=5, began=NOW), maximum=None, now=NOW + 20)

    assert paused.paused_until == NOW + 30
    assert day.paused_until == NOW + PAUSE_SECONDS_MAX
    assert late.rate == paused.rate


def test_a_clock_that_was_set_back_begins_a_new_window() -> None:
    known = adapted(after_calls(100), PendingStats(calls=7, taken=7), maximum=None, now=NOW - 5000)

    assert (known.window_began, known.calls) == (NOW - 5000, 7)


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
        known = adapted(known, stats, maximum=maximum, now=now)
        rate = allowed(known, maximum=maximum)
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
        known = adapted(known, PendingStats(calls=1, taken=1), maximum=maximum, now=now)
    assert allowed(known, maximum=maximum) == maximum


def test_the_window_is_short() -> None:
    known = after_calls(100)

    assert seen_per_second(known, now=NOW + 10 * SEEN_SECONDS) < 20
