"""Broadcasts: the same notification to named users, all users, or subscribers of a category."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, BatchSlice, Notification
from apps.users import contacts
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    accepted_batch_id,
    broadcast,
    errors,
    make_all_slices,
    read,
)
from tests.notifications.factories import client_with, person
from tests.notifications.lanes import Lanes
from tests.notifications.problems import assert_problem, pointers

pytestmark = pytest.mark.django_db


def recipients(batch_id: str) -> set[Any]:
    return set(Notification.objects.filter(batch_id=batch_id).values_list("user_id", flat=True))


def test_each_named_user_gets_one_notification(shop: APIClient, alice: User, bob: User) -> None:
    person("dora")
    names = [str(alice.pk), str(bob.pk), str(alice.pk)]
    batch_id = accepted_batch_id(broadcast(shop, {"user_ids": names}))
    assert Notification.objects.count() == 0
    make_all_slices()
    assert recipients(batch_id) == {alice.pk, bob.pk}
    rows = Notification.objects.all()
    assert {(row.client, row.kind, row.priority, row.lane) for row in rows} == {
        ("shop", "live", 1, "email.bulk")
    }
    assert BatchSlice.objects.count() == 0


def test_all_users_get_it_except_erased_and_later_ones(
    shop: APIClient, alice: User, bob: User, django_capture_on_commit_callbacks: Any
) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    person("late")
    contacts.erase(bob.pk)
    make_all_slices()
    assert recipients(batch_id) == {alice.pk}
    got = read(shop, batch_id)
    assert (got["state"], got["total"], got["accepted"]) == ("finished", 1, 1)
    assert Batch.objects.get().terms == {}


def test_a_category_reaches_its_subscribers_on_that_channel(
    shop: APIClient, alice: User, bob: User
) -> None:
    dora, emil = person("dora"), person("emil")
    contacts.set_channel(user_id=bob.pk, channel="email", category="news", enabled=False)
    contacts.set_channel(user_id=dora.pk, channel="email", category=None, enabled=False)
    contacts.set_channel(user_id=emil.pk, channel="push", category="news", enabled=False)
    answer = broadcast(shop, {"category": "news"})
    make_all_slices()
    assert recipients(accepted_batch_id(answer)) == {alice.pk, emil.pk}
    assert read(shop, accepted_batch_id(answer))["total"] == 2


def test_an_audience_larger_than_a_slice_is_reached_completely(
    shop: APIClient, alice: User
) -> None:
    User.objects.bulk_create(
        User(email=f"reader{n}@example.com", name="Reader", password="!") for n in range(1001)
    )
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    assert make_all_slices() == 3
    assert len(recipients(batch_id)) == 1002
    got = read(shop, batch_id)
    assert (got["state"], got["accepted"], got["progress"]) == ("finished", 1002, 0.0)
    assert got["counts"] == {"pending": 1002}


def test_unknown_users_are_reported_and_the_others_get_it(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"user_ids": [str(uuid4()), str(alice.pk)]}))
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["accepted"], got["rejected"]) == (1, 1)
    (error,) = errors(shop, batch_id)
    assert error["index"] == 0
    assert error["errors"][0]["code"] == "unknown_user"


def test_a_slice_that_is_made_again_changes_nothing(
    shop: APIClient, alice: User, bob: User
) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    before = Batch.objects.get(pk=batch_id)
    make_all_slices()
    first = set(Notification.objects.values_list("pk", flat=True))
    before.save()
    make_all_slices()
    assert set(Notification.objects.values_list("pk", flat=True)) == first
    assert len(first) == 2


BAD = [
    ({"audience": {}}, 400, "/audience"),
    ({"audience": {"all": True, "category": "news"}}, 400, "/audience"),
    ({"audience": {"all": False}}, 400, "/audience/all"),
    ({"audience": {"user_ids": []}}, 400, "/audience/user_ids"),
    ({"audience": {"user_ids": ["x"]}}, 400, "/audience/user_ids/0"),
    ({"audience": {"everyone": True}}, 400, "/audience/everyone"),
    ({"audience": None}, 400, "/audience"),
    ({"user_id": str(uuid4())}, 400, "/user_id"),
    ({"priority": 10}, 400, "/priority"),
    ({"template_code": "nowhere"}, 422, "/template_code"),
    ({"notification_type": "push"}, 422, "/notification_type"),
    ({"variables": {"name": "Ada"}}, 422, "/variables/link"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "/expires_at"),
]


@pytest.mark.parametrize(("change", "status", "pointer"), BAD)
def test_an_invalid_broadcast_is_refused_and_nothing_is_stored(
    shop: APIClient, alice: User, change: dict[str, Any], status: int, pointer: str
) -> None:
    answer = broadcast(shop, **{"audience": {"all": True}, **change})
    assert_problem(answer, status)
    assert pointers(answer) == [pointer]
    assert (Batch.objects.count(), BatchSlice.objects.count()) == (0, 0)


def test_the_same_request_again_is_the_same_batch(shop: APIClient, alice: User) -> None:
    first = broadcast(shop, {"all": True}, request_id="news-7")
    make_all_slices()
    again = broadcast(shop, {"all": True}, HTTP_IDEMPOTENCY_KEY="news-7")
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert again.json()["batch_id"] == accepted_batch_id(first)
    make_all_slices()
    assert Notification.objects.count() == 1


def test_the_key_of_a_broadcast_with_another_body_is_a_422(shop: APIClient, alice: User) -> None:
    broadcast(shop, {"all": True}, request_id="news-7")
    other = broadcast(shop, {"all": True}, request_id="news-7", priority=2)
    assert assert_problem(other, 422)["code"] == "idempotency_key_reused"
    assert Batch.objects.count() == 1


def test_two_keys_that_differ_are_a_400(shop: APIClient, alice: User) -> None:
    answer = broadcast(shop, {"all": True}, request_id="a", HTTP_IDEMPOTENCY_KEY="b")
    assert pointers(answer) == ["/request_id"]
    assert Batch.objects.count() == 0


def test_named_recipients_count_against_the_limit(alice: User) -> None:
    caller = client_with(client=uuid4().hex)
    names = [str(uuid4()) for _ in range(9000)]
    assert '"default";r=51000;' in broadcast(caller, {"user_ids": names})["RateLimit"]
    assert '"default";r=50999;' in broadcast(caller, {"all": True})["RateLimit"]


def test_more_than_ten_thousand_named_users_in_one_call_are_refused(
    shop: APIClient, alice: User
) -> None:
    answer = broadcast(shop, {"user_ids": [str(alice.pk)] * 10_001})
    assert_problem(answer, 400)
    assert pointers(answer) == ["/audience/user_ids"]


def test_a_schedule_and_the_kind_of_key_are_kept(alice: User) -> None:
    testing_client = client_with(client="shop", kind=Kind.TEST)
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    accepted_batch_id(broadcast(testing_client, {"all": True}, scheduled_for=at))
    make_all_slices()
    row = Notification.objects.get()
    assert (row.kind, row.status) == ("test", Status.SCHEDULED)


def test_a_key_needs_the_scope_to_send(alice: User) -> None:
    reader = client_with(*(set(Scope) - {Scope.NOTIFICATIONS_SEND}))
    assert_problem(broadcast(reader, {"all": True}), 403)
    assert Batch.objects.count() == 0


def test_a_long_lane_delays_the_batch(shop: APIClient, alice: User, lanes: Lanes) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    Batch.objects.update(lanes=["email.bulk"])
    lanes.fill("email.bulk", 50)
    assert make_all_slices() == 0
    assert read(shop, batch_id)["state"] == "running"
    lanes.purge()
    make_all_slices()
    assert read(shop, batch_id)["state"] == "finished"
