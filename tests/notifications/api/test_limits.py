"""The API's rate limit: how much a client may send, and which headers report it."""

from typing import Any

import pytest

from apps.common.callers import Kind
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from notifications_project.settings.readers import Rate
from tests.notifications.factories import body, client_with
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
PATH = "/api/v1/notifications/"


def test_every_rate_limited_answer_reports_the_remaining_quota(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_NOTIFICATIONS = Rate(calls=50, seconds=3600)
    caller = client_with(client="limited-1")
    answer = caller.post(PATH, body(alice), format="json")
    assert answer["RateLimit-Policy"] == '"default";q=50;w=3600'
    name, left, reset = answer["RateLimit"].split(";")
    assert (name, left) == ('"default"', "r=49")
    assert 1 <= int(reset.removeprefix("t=")) <= 3600


def test_a_call_beyond_the_rate_limit_is_a_429_and_nothing_is_stored(
    alice: User, settings: Any
) -> None:
    settings.RATE_LIMIT_NOTIFICATIONS = Rate(calls=3, seconds=3600)
    caller = client_with(client="limited-2")
    for _ in range(3):
        assert caller.post(PATH, body(alice), format="json").status_code == 202
    answer = caller.post(PATH, body(alice), format="json")
    problem = assert_problem(answer, 429)
    assert problem["code"] == "rate_limited"
    assert 1 <= int(answer["Retry-After"]) <= 3600
    assert answer["RateLimit"].startswith('"default";r=0;t=')
    assert Notification.objects.count() == 3


def test_a_bulk_call_costs_one_unit_for_each_recipient(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_NOTIFICATIONS = Rate(calls=5, seconds=3600)
    caller = client_with(client="limited-3")
    three = {"notifications": [body(alice)] * 3}
    assert caller.post(f"{PATH}bulk", three, format="json").status_code == 202
    assert_problem(caller.post(f"{PATH}bulk", three, format="json"), 429)
    assert (Notification.objects.count(), Batch.objects.count()) == (3, 1)
    assert caller.post(PATH, body(alice), format="json").status_code == 202


def test_test_notifications_do_not_use_the_quota_of_live_ones(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_NOTIFICATIONS = Rate(calls=1, seconds=3600)
    live, testing_client = client_with(client="both"), client_with(client="both", kind=Kind.TEST)
    assert testing_client.post(PATH, body(alice), format="json").status_code == 202
    assert_problem(testing_client.post(PATH, body(alice), format="json"), 429)
    assert live.post(PATH, body(alice), format="json").status_code == 202


def test_one_client_does_not_use_the_quota_of_another(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_NOTIFICATIONS = Rate(calls=1, seconds=3600)
    first, other = client_with(client="limited-4"), client_with(client="limited-5")
    assert first.post(PATH, body(alice), format="json").status_code == 202
    assert_problem(first.post(PATH, body(alice), format="json"), 429)
    assert other.post(PATH, body(alice), format="json").status_code == 202


def test_reading_is_not_rate_limited(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_NOTIFICATIONS = Rate(calls=1, seconds=3600)
    caller = client_with(client="limited-6")
    caller.post(PATH, body(alice), format="json")
    for _ in range(5):
        answer = caller.get(PATH)
        assert answer.status_code == 200
        assert "RateLimit" not in answer
