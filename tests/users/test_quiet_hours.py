"""Quiet hours follow the wall clock of the user, also in the nights in which clocks change."""

from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.users.preferences import QuietHours
from apps.users.timezones import instant

NEW_YORK = "America/New_York"
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        # On 2026-11-01 clocks in New York show 01:00 to 02:00 twice.
        ("2026-11-01T00:30-04:00", "2026-11-01T01:30-04:00"),
        ("2026-11-01T01:10-04:00", "2026-11-01T01:30-04:00"),
        ("2026-11-01T01:40-04:00", None),
        ("2026-11-01T01:10-05:00", "2026-11-01T01:30-05:00"),
        ("2026-11-01T01:40-05:00", None),
    ],
)
def test_when_clocks_are_set_back_both_passes_count(now: str, until: str | None) -> None:
    quiet = QuietHours(start=time(22), end=time(1, 30))

    assert quiet.until(at(now), NEW_YORK) == (None if until is None else at(until))


@pytest.mark.parametrize("end", [time(2), time(2, 15), time(2, 59)])
def test_an_end_that_clocks_skip_is_the_end_of_the_gap(end: time) -> None:
    # On 2026-03-08 clocks in New York go from 02:00 to 03:00.
    quiet = QuietHours(start=time(22), end=end)

    assert quiet.until(at("2026-03-08T01:30-05:00"), NEW_YORK) == at("2026-03-08T03:00-04:00")
    assert quiet.until(at("2026-03-08T03:10-04:00"), NEW_YORK) is None


def test_a_gap_of_half_an_hour_ends_where_the_clock_goes_on() -> None:
    # Lord Howe Island sets its clocks forward by half an hour.
    wall = datetime.fromisoformat("2026-10-04T02:10")

    assert instant(wall, "Australia/Lord_Howe") == at("2026-10-04T02:30+11:00")


def test_clocks_that_are_set_back_to_before_the_start_end_the_quiet_hours() -> None:
    # On 2026-11-01 clocks in Denver go from 02:00 back to 01:00.
    quiet = QuietHours(start=time(1, 1), end=time(0, 15))

    assert quiet.until(at("2026-11-01T01:01-06:00"), "America/Denver") == at(
        "2026-11-01T01:00-07:00"
    )
    assert quiet.until(at("2026-11-01T01:00-07:00"), "America/Denver") is None
    assert quiet.until(at("2026-11-01T01:01-07:00"), "America/Denver") == at(
        "2026-11-02T00:15-07:00"
    )


@cache
def changes_of(zone: str) -> tuple[datetime, ...]:
    """Return the hours of 2026 after which the offset of a zone is another one."""
    info = ZoneInfo(zone)
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(365 * 24)]
    offsets = [hour.astimezone(info).utcoffset() for hour in hours]
    return tuple(
        hour
        for hour, before, after in zip(hours, offsets, offsets[1:], strict=False)
        if before != after
    )


def is_quiet(moment: datetime, quiet: QuietHours, zone: str) -> bool:
    clock = moment.astimezone(ZoneInfo(zone)).time()
    if quiet.end < quiet.start:
        return clock >= quiet.start or clock < quiet.end
    return quiet.start <= clock < quiet.end


def is_skipped(moment: datetime, quiet: QuietHours, zone: str) -> bool:
    """Return whether clocks skip the end of the quiet hours at this moment."""
    info = ZoneInfo(zone)
    before, after = ((moment + step).astimezone(info) for step in (-MINUTE, timedelta(0)))
    return before.time() < quiet.end < after.time() and before.date() == after.date()


zones = st.sampled_from(sorted(available_timezones()))
clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 29, 30, 45, 59]))


@given(zones, clocks, clocks, st.data())
def test_they_end_as_soon_as_the_wall_clock_says(
    zone: str, start: time, end: time, data: st.DataObject
) -> None:
    if start == end:
        return
    quiet = QuietHours(start=start, end=end)
    around = data.draw(st.sampled_from(changes_of(zone) or (datetime(2026, 6, 1, tzinfo=UTC),)))
    now = around + timedelta(minutes=data.draw(st.integers(-26 * 60, 26 * 60)))

    until = quiet.until(now, zone)

    assert (until is not None) == is_quiet(now, quiet, zone)
    if until is not None:
        minutes = range(int((until - now) / MINUTE))
        assert all(is_quiet(now + minute * MINUTE, quiet, zone) for minute in minutes)
        assert not is_quiet(until, quiet, zone) or is_skipped(until, quiet, zone)
