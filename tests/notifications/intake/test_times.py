"""Times in a request, as the usual libraries write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.batches.materialize import make_slice
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.notifications.batches.batch_api import accepted_batch_id, broadcast, ndjson, upload
from tests.notifications.factories import body, client_with
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
SEND = "/api/v1/notifications/"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(second=0, microsecond=0)
FORMS = [
    f"{TOMORROW:%Y-%m-%dT%H:%M}Z",
    f"{TOMORROW:%Y-%m-%dT%H:%M}z",
    f"{TOMORROW:%Y-%m-%dT%H:%M}+00:00",
    f"{TOMORROW + timedelta(hours=1):%Y-%m-%dT%H:%M}+01:00",
    f"{TOMORROW:%Y-%m-%dT%H:%M}:00Z",
    f"{TOMORROW:%Y-%m-%dT%H:%M}:00.000Z",
]


@pytest.fixture
def shop() -> APIClient:
    return client_with(Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ)


@pytest.mark.parametrize("text", FORMS)
def test_a_time_may_be_written_without_seconds(shop: APIClient, alice: User, text: str) -> None:
    asked = body(alice, scheduled_for=text)

    assert shop.post(SEND, asked, format="json").status_code == 202
    bulk = shop.post(f"{SEND}bulk", {"notifications": [asked]}, format="json").json()
    assert bulk["accepted"] == 1
    accepted_batch_id(upload(shop, ndjson(asked)))
    accepted_batch_id(broadcast(shop, {"user_ids": [str(alice.pk)]}, scheduled_for=text))
    while make_slice():
        pass

    assert not Batch.objects.exclude(rejected=0).exists()
    assert [row.scheduled_for for row in Notification.objects.all()] == [TOMORROW] * 4


def test_both_forms_of_a_time_are_the_same_request(shop: APIClient, alice: User) -> None:
    answers = [
        shop.post(SEND, body(alice, request_id="a", scheduled_for=text), format="json")
        for text in FORMS
    ]

    assert [answer.status_code for answer in answers] == [202] * len(FORMS)
    assert Notification.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    [
        f"{TOMORROW:%Y-%m-%dT%H:%M}",
        f"{TOMORROW:%Y-%m-%d}",
        f"{TOMORROW:%Y-%m-%dT%H}Z",
        "2026-13-24T18:00+01:00",
        "tomorrow",
        1_800_000_000,
    ],
)
def test_what_is_no_moment_is_refused_at_its_place(shop: APIClient, alice: User, text: Any) -> None:
    problem = assert_problem(shop.post(SEND, body(alice, expires_at=text), format="json"), 400)

    assert problem["errors"][0]["pointer"] == "/expires_at"
