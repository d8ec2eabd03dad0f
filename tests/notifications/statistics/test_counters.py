"""The histogram of the time to deliver, as pure functions."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notifications.statistics.counters import (
    bin_of,
    minute_of,
    percentile,
    start_of,
    upper_milliseconds,
)


@given(st.integers(0, 10**12))
def test_a_bin_holds_its_times_and_is_at_most_19_percent_too_high(microseconds: int) -> None:
    milliseconds = microseconds / 1000
    bound = upper_milliseconds(bin_of(timedelta(microseconds=microseconds)))

    assert milliseconds <= bound * 1.000001
    assert bound <= max(1.0, milliseconds * 1.19)


def test_a_clock_that_was_set_back_gives_the_first_bin() -> None:
    assert bin_of(timedelta(seconds=-5)) == 0


def test_percentiles_are_the_bounds_of_their_bins() -> None:
    histogram = Counter({0: 50, 4: 45, 40: 5})

    found = [percentile(histogram, share) for share in (0.5, 0.51, 0.95, 0.96)]
    assert found == [1.0, 2.0, 2.0, 1024.0]


def test_without_values_there_is_no_percentile() -> None:
    assert percentile(Counter(), 0.5) is None


@pytest.mark.parametrize(
    ("seconds", "start"),
    [(60, "2026-11-28 22:59"), (3600, "2026-11-28 22:00"), (86400, "2026-11-28 00:00")],
)
def test_periods_begin_in_utc(seconds: int, start: str) -> None:
    at = datetime(2026, 11, 29, 0, 59, 30, tzinfo=timezone(timedelta(hours=2)))

    assert f"{start_of(at, seconds=seconds):%Y-%m-%d %H:%M}" == start
    assert minute_of(at) == datetime(2026, 11, 28, 22, 59, tzinfo=UTC)
