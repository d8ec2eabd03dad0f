"""Bulk calls: each row is validated alone, answers keep the order, the call is idempotent."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as project
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from apps.common.callers import Kind
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.notifications.factories import SEPARATE_COUNTS, body, client_with
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db
PATH = "/api/v1/notifications/bulk"


def send(shop: APIClient, *rows: Any, **headers: Any) -> Any:
    return shop.post(PATH, {"notifications": list(rows)}, format="json", **headers)


def test_each_row_is_accepted_in_order(shop: APIClient, alice: User, bob: User) -> None:
    answer = send(shop, body(alice), body(bob, priority=9), body(alice, request_id="r"))
    assert answer.status_code == 202
    got = answer.json()
    assert set(got) == {"batch_id", "accepted", "rejected", "results"}
    assert (got["accepted"], got["rejected"]) == (3, 0)
    assert [result["index"] for result in got["results"]] == [0, 1, 2]
    rows = [Notification.objects.get(pk=result["id"]) for result in got["results"]]
    assert [row.user_id for row in rows] == [alice.pk, bob.pk, alice.pk]
    assert [row.priority for row in rows] == [1, 9, 1]
    assert [row.lane for row in rows] == ["email.bulk", "email.urgent", "email.bulk"]
    assert {str(row.batch_id) for row in rows} == {got["batch_id"]}
    assert all(set(one) == {"index", "id", "status", "errors"} for one in got["results"])
    assert {(one["status"], len(one["errors"])) for one in got["results"]} == {("accepted", 0)}


BAD_ROWS = [
    ({"user_id": "nobody"}, "/user_id"),
    ({"user_id": str(uuid4())}, "/user_id"),
    ({"template_code": "nowhere"}, "/template_code"),
    ({"priority": 10}, "/priority"),
    ({"nonsense": 1}, "/nonsense"),
    ({"variables": {"name": "Ada"}}, "/variables/link"),
    ({"notification_type": "push"}, "/notification_type"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
    ({"scheduled_for": "9999-12-31T23:59:59-23:00"}, "/scheduled_for"),
]


@pytest.mark.parametrize(("change", "pointer"), BAD_ROWS)
def test_one_bad_row_does_not_affect_the_others(
    shop: APIClient, alice: User, change: dict[str, Any], pointer: str
) -> None:
    answer = send(shop, body(alice), body(alice, **change), body(alice))
    assert answer.status_code == 202
    got = answer.json()
    assert (got["accepted"], got["rejected"]) == (2, 1)
    assert [one["status"] for one in got["results"]] == ["accepted", "rejected", "accepted"]
    bad = got["results"][1]
    assert bad["id"] is None
    assert [error["pointer"] for error in bad["errors"]] == [pointer]
    assert set(bad["errors"][0]) == {"pointer", "code", "detail"}
    assert Notification.objects.count() == 2


@pytest.mark.parametrize("row", [None, 1, "text", [], {}, True])
def test_a_row_that_is_not_a_request_is_rejected(shop: APIClient, alice: User, row: Any) -> None:
    got = send(shop, row, body(alice)).json()
    assert [one["status"] for one in got["results"]] == ["rejected", "accepted"]
    assert got["results"][0]["errors"]


def test_only_bad_rows_are_still_a_202(shop: APIClient) -> None:
    got = send(shop, {}, {})
    assert got.status_code == 202
    assert (got.json()["accepted"], got.json()["rejected"]) == (0, 2)
    assert Notification.objects.count() == 0


def test_a_repeat_within_the_call_is_a_duplicate(shop: APIClient, alice: User) -> None:
    one, other = body(alice, request_id="r"), body(alice, request_id="r", priority=2)
    got = send(shop, one, one, other).json()
    assert [result["status"] for result in got["results"]] == [
        "accepted",
        "duplicate",
        "rejected",
    ]
    assert got["results"][0]["id"] == got["results"][1]["id"]
    assert got["results"][2]["errors"][0]["code"] == "idempotency_key_reused"
    assert (got["accepted"], got["rejected"]) == (2, 1)
    assert Notification.objects.count() == 1


def test_a_repeat_of_an_earlier_call_is_a_duplicate(shop: APIClient, alice: User) -> None:
    rows = [body(alice, request_id=f"r{place}") for place in range(3)]
    first = send(shop, *rows).json()
    again = send(shop, *rows, body(alice, request_id="new")).json()
    assert [result["status"] for result in again["results"]] == ["duplicate"] * 3 + ["accepted"]
    assert [result["id"] for result in again["results"][:3]] == [
        result["id"] for result in first["results"]
    ]
    assert Notification.objects.count() == 4


def test_a_malformed_time_under_a_known_key_affects_no_other_row(
    shop: APIClient, alice: User
) -> None:
    send(shop, body(alice, request_id="r"))
    bad = body(alice, request_id="r", scheduled_for="9999-12-31T23:59:59-23:00")
    got = send(shop, bad, body(alice)).json()
    assert [result["status"] for result in got["results"]] == ["rejected", "accepted"]


def test_a_bulk_row_and_a_single_request_share_idempotency_keys(
    shop: APIClient, alice: User
) -> None:
    asked = body(alice, request_id="r", priority=1)
    single = shop.post("/api/v1/notifications/", asked, format="json").json()
    got = send(shop, asked).json()["results"][0]
    assert (got["status"], got["id"]) == ("duplicate", single["id"])


def test_the_call_as_a_whole_is_idempotent(shop: APIClient, alice: User) -> None:
    rows = [body(alice), body(alice), {"bad": 1}]
    first = send(shop, *rows, HTTP_IDEMPOTENCY_KEY="call-1")
    assert "Idempotency-Replayed" not in first
    again = send(shop, *rows, HTTP_IDEMPOTENCY_KEY="call-1")
    assert again.status_code == 202
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert (Notification.objects.count(), Batch.objects.count()) == (2, 1)


def test_the_key_of_a_call_with_other_rows_is_a_422(shop: APIClient, alice: User) -> None:
    send(shop, body(alice), HTTP_IDEMPOTENCY_KEY="call-1")
    answer = send(shop, body(alice), body(alice), HTTP_IDEMPOTENCY_KEY="call-1")
    assert assert_problem(answer, 422)["code"] == "idempotency_key_reused"
    assert Notification.objects.count() == 1


def test_the_key_of_a_call_belongs_to_one_client_and_kind(alice: User) -> None:
    callers = [
        client_with(client="shop"),
        client_with(client="forum"),
        client_with(client="shop", kind=Kind.TEST),
    ]
    batches = {
        send(caller, body(alice), HTTP_IDEMPOTENCY_KEY="call-1").json()["batch_id"]
        for caller in callers
    }
    assert len(batches) == 3


@pytest.mark.parametrize("count", [0, 1001])
def test_none_or_more_than_a_thousand_are_a_400(shop: APIClient, alice: User, count: int) -> None:
    answer = send(shop, *[body(alice)] * count)
    assert_problem(answer, 400)
    assert pointers(answer) == ["/notifications"]
    assert (Notification.objects.count(), Batch.objects.count()) == (0, 0)


def test_a_thousand_are_accepted(shop: APIClient, alice: User) -> None:
    answer = send(shop, *[body(alice)] * 1000)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1000
    assert Notification.objects.count() == 1000
    assert answer["RateLimit-Policy"] == '"default";q=60000;w=60'


@pytest.mark.parametrize(
    "asked",
    [{}, {"notifications": None}, {"notifications": {}}, {"notifications": "x"}, {"rows": []}],
)
def test_another_shape_is_a_400(shop: APIClient, asked: Any) -> None:
    answer = shop.post(PATH, asked, format="json")
    assert_problem(answer, 400)
    assert Batch.objects.count() == 0


def test_a_call_may_be_eight_megabytes_and_no_more(shop: APIClient, alice: User) -> None:
    limit = project.BULK_BODY_MAX_BYTES
    assert limit == 8 * 1024 * 1024
    raw = json.dumps({"notifications": [body(alice, metadata={"x": ""})]})
    whole = raw.replace('"x": ""', '"x": "' + "y" * (limit - len(raw)) + '"')
    over = shop.generic("POST", PATH, whole + " ", content_type="application/json")
    assert_problem(over, 413)
    assert Notification.objects.count() == 0
    answer = shop.generic("POST", PATH, whole, content_type="application/json")
    assert answer.status_code == 202


def test_a_bulk_row_may_have_a_schedule(shop: APIClient, alice: User) -> None:
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    send(shop, body(alice, scheduled_for=at))
    assert Notification.objects.get().status == "scheduled"


def test_a_call_costs_the_same_number_of_statements_whatever_its_size(
    shop: APIClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    send(shop, body(alice))
    # Savepoint, insert the batch, savepoint, insert the rows and their counts, release, update the
    # batch, release.
    with django_assert_num_queries(7 + SEPARATE_COUNTS):
        send(shop, *[body(alice) for _ in range(25)])
