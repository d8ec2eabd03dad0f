"""Notification preferences: channels, categories and quiet hours."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.users.models import CategoryPreference, User
from apps.users.preferences import Channels, Preferences, QuietHours
from tests.users.conftest import logged_in

NOTHING_SAID = {"email": True, "push": True, "categories": {}, "quiet_hours": None}
WHOLE = {
    "email": True,
    "push": False,
    "categories": {
        "newsletter": {"email": False, "push": True},
        "orders": {"email": True, "push": True},
    },
    "quiet_hours": {"start": "22:00", "end": "07:00"},
}


def url(user: User) -> str:
    return f"/api/v1/users/{user.pk}/preferences"


def test_all_channels_are_on_by_default(alice: User, shop: APIClient) -> None:
    assert shop.get(url(alice)).json() == NOTHING_SAID


def test_put_replaces_the_preferences(alice: User) -> None:
    caller = logged_in("alice@example.com")
    assert caller.put(url(alice), WHOLE, format="json").json() == WHOLE
    assert caller.get(f"{url(alice)}/").json() == WHOLE
    answer = caller.put(url(alice), {"email": True, "push": True}, format="json")
    assert answer.json() == NOTHING_SAID


def test_put_fills_in_the_channels_that_a_category_leaves_out(alice: User, shop: APIClient) -> None:
    body = {"email": True, "push": True, "categories": {"news": {"push": False}}}
    answer = shop.put(url(alice), body, format="json")
    assert answer.json()["categories"] == {"news": {"email": True, "push": False}}


def test_patch_merges_the_preferences(alice: User, shop: APIClient) -> None:
    shop.put(url(alice), WHOLE, format="json")
    answer = shop.patch(
        url(alice),
        {"push": True, "categories": {"newsletter": {"push": False}, "orders": None}},
        format="json",
    )
    assert answer.status_code == 200
    assert answer.json() == {
        **WHOLE,
        "push": True,
        "categories": {"newsletter": {"email": False, "push": False}},
    }
    answer = shop.patch(url(alice), {"quiet_hours": None}, format="json")
    assert answer.json()["quiet_hours"] is None


def test_the_profile_shows_the_same_channels(alice: User, shop: APIClient) -> None:
    shop.patch(url(alice), {"email": False}, format="json")
    profile = shop.get(f"/api/v1/users/{alice.pk}").json()
    assert profile["preferences"] == {"email": False, "push": True}


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": 1}, "/email"),
        ({"sms": True}, "/sms"),
        ({"categories": []}, "/categories"),
        ({"categories": {"": {}}}, "/categories"),
        ({"categories": {"x" * 65: {}}}, "/categories"),
        ({"categories": {f"c{number}": {} for number in range(101)}}, "/categories"),
        ({"categories": {"news": True}}, "/categories/news"),
        ({"categories": {"news": {"email": None}}}, "/categories/news/email"),
        ({"categories": {"news": {"fax": True}}}, "/categories/news/fax"),
        ({"quiet_hours": {"start": "22:00"}}, "/quiet_hours/end"),
        ({"quiet_hours": {"start": "24:00", "end": "07:00"}}, "/quiet_hours/start"),
        ({"quiet_hours": {"start": "7", "end": "08:00"}}, "/quiet_hours/start"),
        ({"quiet_hours": {"start": "07:00:30", "end": "08:00"}}, "/quiet_hours/start"),
        ({"quiet_hours": {"start": "007:00", "end": "08:00"}}, "/quiet_hours/start"),
        ({"quiet_hours": {"start": "07:00", "end": "07:00"}}, "/quiet_hours"),
        ({"quiet_hours": "22-07"}, "/quiet_hours"),
    ],
)
def test_bad_preferences_are_named_and_not_stored(
    alice: User, shop: APIClient, method: str, change: dict[str, Any], pointer: str
) -> None:
    body = {"email": False, "push": False, **change}
    answer = getattr(shop, method)(url(alice), body, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert shop.get(url(alice)).json() == NOTHING_SAID


def test_patches_cannot_exceed_the_maximum_number_of_categories(
    alice: User, shop: APIClient
) -> None:
    full = {f"c{number}": {"email": False} for number in range(100)}
    assert shop.patch(url(alice), {"categories": full}, format="json").status_code == 200
    answer = shop.patch(url(alice), {"categories": {"more": {}}}, format="json")
    assert answer.status_code == 400
    assert CategoryPreference.objects.count() == 100


@pytest.mark.parametrize("method", ["get", "put", "patch"])
def test_the_preferences_of_another_user_are_a_404(alice: User, bob: User, method: str) -> None:
    caller = logged_in("bob@example.com")
    assert getattr(caller, method)(url(alice), WHOLE, format="json").status_code == 404
    alice.refresh_from_db()
    assert alice.push_enabled is True


def test_a_category_cannot_allow_what_the_channel_forbids() -> None:
    said = Preferences(
        email=True,
        push=False,
        categories={"news": Channels(email=False), "orders": Channels(push=True)},
    )
    assert said.allows("email", "orders") is True
    assert said.allows("email", "news") is False
    assert said.allows("push", "orders") is False
    assert said.allows("email", "") is True
    assert said.allows("email", "unheard-of") is True


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        ("UTC", "2026-01-05T21:59", None),
        ("UTC", "2026-01-05T22:00", "2026-01-06T07:00"),
        ("UTC", "2026-01-06T06:59", "2026-01-06T07:00"),
        ("UTC", "2026-01-06T07:00", None),
        ("Africa/Lagos", "2026-01-05T21:00", "2026-01-06T06:00"),
        ("America/New_York", "2026-01-06T03:30", "2026-01-06T12:00"),
        # The night of the change to summer time in Berlin is an hour shorter.
        ("Europe/Berlin", "2026-03-28T21:30", "2026-03-29T05:00"),
    ],
)
def test_quiet_hours_are_in_the_time_zone_of_the_user(
    zone: str, now: str, until: str | None
) -> None:
    quiet = QuietHours(start=time(22), end=time(7))
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
    assert quiet.until(moment, zone) == expected


@pytest.mark.parametrize("start", ["9:00", "09:00", "09:00:00", "09:00:00.000"])
def test_a_time_of_day_is_read_in_each_usual_form(alice: User, shop: APIClient, start: str) -> None:
    quiet = {"start": start, "end": "22:00:00"}
    answer = shop.patch(url(alice), {"quiet_hours": quiet}, format="json")
    assert answer.json()["quiet_hours"] == {"start": "09:00", "end": "22:00"}


def test_quiet_hours_may_be_within_one_day() -> None:
    quiet = QuietHours(start=time(12), end=time(14))
    noon = datetime(2026, 1, 5, 13, tzinfo=UTC)
    assert quiet.until(noon, "UTC") == datetime(2026, 1, 5, 14, tzinfo=UTC)
    assert quiet.until(datetime(2026, 1, 5, 15, tzinfo=UTC), "UTC") is None
