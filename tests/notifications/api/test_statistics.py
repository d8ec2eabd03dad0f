"""``GET /statistics/``: series by step and group, and what each caller sees of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.models import StatisticsDelta
from apps.notifications.statistics.roll_up import roll_up
from apps.users.models import User
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import accepted, client_with
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db

URL = "/api/v1/statistics/"
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ONE_DAY = {"from": "2026-11-28T00:00:00Z", "to": "2026-11-29T00:00:00Z"}


def count(at: datetime = NOON, **changes: Any) -> None:
    fields = {
        "client": "shop",
        "kind": "live",
        "channel": "email",
        "template_code": "welcome",
        "counts": {"accepted": 1},
    }
    StatisticsDelta.objects.create(at=at, **{**fields, **changes})


def read(client: APIClient, **query: str) -> Any:
    answer = client.get(URL, {**ONE_DAY, "step": "hour", **query})
    assert answer.status_code == 200, answer.json()
    return answer.json()["series"]


def accepted_of(series: Any) -> int:
    return sum(point["accepted"] for one in series for point in one["points"])


def test_what_a_delivered_mail_leaves_is_read_at_once(shop: APIClient, alice: User) -> None:
    deliver_and_refresh(accepted(alice))

    answer = shop.get(URL).json()

    (series,) = answer["series"]
    point = series["points"][-1]
    assert answer["step"] == "minute"
    assert (series["group"], point["accepted"], point["ended"]) == ({}, 1, {"delivered": 1})
    assert point["attempts"] == {"accepted": 1}
    assert set(point["latency_ms"]) == {"p50", "p95", "p99"}
    assert point["latency_ms"]["p50"] > 0


def test_without_a_range_it_is_the_last_hour_of_minutes(shop: APIClient) -> None:
    now = timezone.now()
    count(now - timedelta(minutes=59))
    count(now - timedelta(minutes=62))

    answer = shop.get(URL).json()

    assert accepted_of(answer["series"]) == 1
    assert datetime.fromisoformat(answer["from"]).second == 0


@pytest.mark.parametrize("summed_up", [False, True])
@pytest.mark.parametrize(
    ("step", "starts"),
    [
        ("minute", ["12:00", "12:01", "13:00"]),
        ("hour", ["12:00", "13:00"]),
        ("day", ["00:00"]),
    ],
)
def test_a_step_gives_the_points_in_which_something_was_counted(
    shop: APIClient, step: str, starts: list[str], *, summed_up: bool
) -> None:
    for minutes in (0, 1, 60):
        count(NOON + timedelta(minutes=minutes))
    if summed_up:
        roll_up()

    (series,) = read(shop, step=step)

    assert [point["at"][11:16] for point in series["points"]] == starts
    assert accepted_of([series]) == 3


def test_counts_that_are_summed_up_and_new_ones_are_added(shop: APIClient) -> None:
    count()
    roll_up()
    count()

    assert accepted_of(read(shop)) == 2


def test_the_end_is_not_included_and_the_first_period_is(shop: APIClient) -> None:
    count(NOON)
    count(NOON + timedelta(hours=1))

    found = read(shop, **{"from": "2026-11-28T12:30:00Z", "to": "2026-11-28T13:00:00Z"})

    assert accepted_of(found) == 1


COUNTS = {
    "accepted": 5,
    "ended/sent/": 4,
    "ended/failed/rejected": 1,
    "ended/delivered/": 3,
    "replaced/sent/": 3,
    "attempts/smtp/accepted": 4,
    "attempts/smtp/transient": 2,
    "attempts/sendgrid/rejected": 1,
    "latency/40": 4,
}


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("channel", {"email": {"delivered": 3, "failed": 1, "sent": 1}}),
        ("template", {"welcome": {"delivered": 3, "failed": 1, "sent": 1}}),
        ("status", {"delivered": {"delivered": 3}, "failed": {"failed": 1}, "sent": {"sent": 1}}),
        ("reason", {"": {"delivered": 3, "sent": 1}, "rejected": {"failed": 1}}),
        ("provider", {"sendgrid": {}, "smtp": {}}),
    ],
)
def test_series_by_group(shop: APIClient, group_by: str, groups: dict[str, Any]) -> None:
    count(counts=COUNTS)

    found = read(shop, group_by=group_by)

    ended = {series["group"][group_by]: series["points"][0]["ended"] for series in found}
    assert ended == groups


def test_calls_by_provider_and_outcome(shop: APIClient) -> None:
    count(counts=COUNTS)

    found = read(shop, group_by="provider")

    calls = {series["group"]["provider"]: series["points"][0]["attempts"] for series in found}
    assert calls == {"sendgrid": {"rejected": 1}, "smtp": {"accepted": 4, "transient": 2}}
    assert all(series["points"][0]["accepted"] is None for series in found)
    assert found[0]["points"][0]["latency_ms"] == {"p50": None, "p95": None, "p99": None}


def test_the_time_to_deliver_is_in_milliseconds(shop: APIClient) -> None:
    count(counts=COUNTS)

    (series,) = read(shop)

    assert series["points"][0]["latency_ms"] == {"p50": 1024.0, "p95": 1024.0, "p99": 1024.0}


def test_an_ending_of_before_the_statistics_is_not_negative(shop: APIClient) -> None:
    count(counts={"replaced/sent/": 2, "ended/delivered/": 1})

    (series,) = read(shop)

    assert series["points"][0]["ended"] == {"delivered": 1}


def test_a_client_sees_only_its_own_notifications_of_its_kind() -> None:
    count()
    count(client="other")
    count(kind="test")

    own = client_with(Scope.NOTIFICATIONS_READ)
    testing = client_with(Scope.NOTIFICATIONS_READ, kind=Kind.TEST)
    assert (accepted_of(read(own)), accepted_of(read(testing))) == (1, 1)


def test_operations_is_enough_to_see_all_clients_of_the_kind() -> None:
    count()
    count(client="other")
    count(kind="test")

    assert accepted_of(read(client_with(Scope.OPERATIONS))) == 2


def test_a_key_without_either_scope_is_refused() -> None:
    answer = client_with(Scope.NOTIFICATIONS_SEND).get(URL)

    assert_problem(answer, 403)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "yesterday"}, "?from"),
        ({"to": "1"}, "?to"),
        ({"step": "week"}, "?step"),
        ({"group_by": "client"}, "?group_by"),
        ({"grouped": "channel"}, "?grouped"),
        ({"from": "2026-11-29T00:00:00Z"}, "?from"),
        ({"from": "2026-11-26T00:00:00Z", "step": "minute"}, "?step"),
    ],
)
def test_what_is_wrong_is_named(shop: APIClient, query: dict[str, str], pointer: str) -> None:
    answer = shop.get(URL, {**ONE_DAY, "step": "hour", **query})

    assert_problem(answer, 400)
    assert pointers(answer) == [pointer]
