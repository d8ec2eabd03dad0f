"""Words: every reason is explained, times and numbers are written as people say them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from apps.desk.messages.story import OUTCOMES
from apps.desk.templatetags import desk
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.reasons import REASONS, STATUSES, explained
from apps.notifications.lifecycle.states import Status
from apps.notifications.providers.fcm.replies import BY_HTTP_STATUS, MEANINGS

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
PIPELINE = Path(__file__).parents[2] / "apps/notifications"


def test_every_reason_that_the_code_names_is_explained() -> None:
    named = {reason for _, reason, _ in (*MEANINGS.values(), *BY_HTTP_STATUS.values())}
    for path in PIPELINE.rglob("*.py"):
        named |= set(re.findall(r'\breason="([a-z_]+)"', path.read_text()))
        named |= set(re.findall(r'Outcome\.[A-Z_]+, "([a-z_]+)"', path.read_text()))

    assert {reason for reason in named if reason not in REASONS} == set()
    assert len(named) > 30


def test_every_status_and_outcome_has_words() -> None:
    assert set(STATUSES) == set(Status) == set(desk.LOOKS)
    assert set(OUTCOMES) == set(Outcome)


def test_a_reason_of_a_provider_alone_is_shown_as_it_is() -> None:
    assert explained("shiny_new").sentence == "The reason is “shiny new”."
    assert explained("").sentence == ""


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW - timedelta(seconds=20), "just now"),
        (NOW + timedelta(seconds=20), "in a moment"),
        (NOW - timedelta(minutes=4, seconds=59), "4 min ago"),
        (NOW + timedelta(hours=3), "in 3 h"),
        (NOW - timedelta(days=2), "27 Nov, 12:00"),
        (NOW - timedelta(days=400), "25 Oct 2025, 12:00"),
    ],
)
def test_times_are_said_as_people_say_them(at: datetime, words: str) -> None:
    assert desk.spoken(at, NOW) == words


def test_the_full_time_and_its_zone_are_on_hover() -> None:
    with timezone.override("Asia/Tokyo"):
        shown = desk.moment(NOW, NOW)

    assert 'title="29 November 2026, 21:00:00 Asia/Tokyo"' in shown
    assert 'datetime="2026-11-29T12:00:00+00:00"' in shown


def test_an_id_is_short_and_can_be_copied() -> None:
    shown = desk.short_id(UUID("01a22557-3c27-7262-9131-60d310bb2c29"))

    assert "…10bb2c29" in shown
    assert 'data-copy="01a22557-3c27-7262-9131-60d310bb2c29"' in shown


def test_a_short_name_is_shown_whole() -> None:
    assert "<code>fcm:android</code>" in desk.short_id("fcm:android")


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(None, "\N{EN DASH}"), (12.4, "12 ms"), (1_500, "1.5 s"), (120_000, "2 min"), (5e6, "1.4 h")],
)
def test_durations_have_the_unit_that_fits(milliseconds: float | None, words: str) -> None:
    assert desk.duration(milliseconds) == words


def test_numbers_have_thin_groups() -> None:
    assert desk.thin(1_234_567) == "1\u2009234\u2009567"
