"""Reading, pausing, resuming and cancelling a batch, and who may do so."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.notifications.batches import progress
from apps.notifications.batches.cancel import STEP_ROWS
from apps.notifications.batches.materialize import make_slice
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, BatchSlice, Event, Notification
from apps.users import tokens
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    BATCHES,
    accepted_batch_id,
    broadcast,
    errors,
    make_all_slices,
    ndjson,
    read,
    upload,
)
from tests.notifications.factories import body, client_with
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db


def do(caller: APIClient, batch_id: str, action: str) -> Any:
    return caller.post(f"{BATCHES}{batch_id}/{action}")


@pytest.fixture
def batch_id(shop: APIClient, alice: User) -> str:
    """A batch of three slices, of which one has been made."""
    found = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * 1001)))
    assert make_slice()
    return found


def test_progress_counts_the_rows_by_status(shop: APIClient, batch_id: str) -> None:
    some = Notification.objects.values_list("pk", flat=True)[:100]
    Notification.objects.filter(pk__in=list(some)).update(status=Status.SENT)
    got = read(shop, batch_id)
    assert (got["state"], got["total"], got["accepted"]) == ("running", 1001, 500)
    assert got["counts"] == {"pending": 400, "sent": 100}
    assert got["progress"] == 0.0999
    assert got["ended_at"] is None


def test_a_paused_batch_makes_no_more_until_it_is_resumed(shop: APIClient, batch_id: str) -> None:
    assert do(shop, batch_id, "pause").json()["state"] == "paused"
    assert do(shop, batch_id, "pause").json()["state"] == "paused"
    assert make_all_slices() == 0
    assert Notification.objects.count() == 500
    assert do(shop, batch_id, "resume").json()["state"] == "running"
    assert do(shop, batch_id, "resume").json()["state"] == "running"
    make_all_slices()
    assert Notification.objects.count() == 1001
    assert read(shop, batch_id)["state"] == "finished"


def test_cancelling_stops_slices_not_yet_made_and_notifications_not_yet_sent(
    shop: APIClient, batch_id: str
) -> None:
    gone = Notification.objects.first()
    assert gone is not None
    Notification.objects.filter(pk=gone.pk).update(status=Status.SENT)
    assert do(shop, batch_id, "cancel").json()["state"] == "cancelled"
    assert do(shop, batch_id, "cancel").json()["state"] == "cancelled"
    make_all_slices()
    got = read(shop, batch_id)
    assert got["counts"] == {"cancelled": 499, "sent": 1}
    assert (got["state"], got["progress"]) == ("cancelled", 1.0)
    assert got["ended_at"] is not None
    assert BatchSlice.objects.count() == 0
    assert Batch.objects.get().terms == {}
    assert Event.objects.filter(detail="the batch was cancelled").count() == 499


def test_a_large_batch_is_cancelled_in_steps(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(upload(shop, ndjson(*[body(alice)] * (STEP_ROWS + 10))))
    make_all_slices()
    assert do(shop, batch_id, "cancel").status_code == 200
    assert make_all_slices() == 2
    assert read(shop, batch_id)["counts"] == {"cancelled": STEP_ROWS + 10}


def test_a_bulk_call_can_be_read_and_cancelled_as_a_batch(shop: APIClient, alice: User) -> None:
    rows = [body(alice), body(alice), {"bad": 1}]
    bulk = shop.post("/api/v1/notifications/bulk", {"notifications": rows}, format="json")
    batch_id = bulk.json()["batch_id"]
    got = read(shop, batch_id)
    assert (got["source"], got["state"]) == ("bulk", "finished")
    assert (got["total"], got["accepted"], got["rejected"]) == (3, 2, 1)
    assert [error["index"] for error in errors(shop, batch_id)] == [2]
    assert do(shop, batch_id, "cancel").status_code == 200
    make_all_slices()
    assert read(shop, batch_id)["counts"] == {"cancelled": 2}


@pytest.mark.parametrize("action", ["pause", "resume"])
@pytest.mark.parametrize("state", ["finished", "cancelled", "receiving"])
def test_a_batch_that_is_not_running_is_neither_paused_nor_resumed(
    shop: APIClient, batch_id: str, action: str, state: str
) -> None:
    Batch.objects.update(state=state)
    assert_problem(do(shop, batch_id, action), 409)
    assert Batch.objects.get().state == state


def test_notifications_that_were_sent_are_not_cancelled(shop: APIClient, batch_id: str) -> None:
    make_all_slices()
    Notification.objects.update(status=Status.SENT)
    assert_problem(do(shop, batch_id, "cancel"), 409)
    assert read(shop, batch_id)["state"] == "finished"


WAYS = [
    ("GET", ""),
    ("GET", "/errors"),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("POST", "/cancel"),
]


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_a_batch_of_another_client_is_a_404(batch_id: str, method: str, path: str) -> None:
    for other in (
        client_with(*(set(Scope) - {Scope.OPERATIONS}), client="forum"),
        client_with(client="shop", kind=Kind.TEST),
    ):
        assert_problem(other.generic(method, f"{BATCHES}{batch_id}{path}"), 404)
        assert other.get(BATCHES).json()["results"] == []
    assert Batch.objects.get().state == "running"


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_each_operation_on_a_batch_needs_its_scope(batch_id: str, method: str, path: str) -> None:
    scope = Scope.NOTIFICATIONS_READ if method == "GET" else Scope.NOTIFICATIONS_SEND
    others = client_with(*(set(Scope) - {scope}))
    assert_problem(others.generic(method, f"{BATCHES}{batch_id}{path}"), 403)
    assert Batch.objects.get().state == "running"


def test_operators_and_staff_see_all_batches_and_end_users_none(
    batch_id: str, alice: User, charlie: User
) -> None:
    operator = client_with(Scope.OPERATIONS, Scope.NOTIFICATIONS_READ, client="ops")
    assert [one["batch_id"] for one in operator.get(BATCHES).json()["results"]] == [batch_id]
    staff, person = APIClient(), APIClient(raise_request_exception=False)
    staff.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(charlie).access}")
    assert staff.get(f"{BATCHES}{batch_id}").status_code == 200
    person.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(alice).access}")
    assert_problem(person.get(f"{BATCHES}{batch_id}"), 403)


def test_an_unknown_batch_is_a_404(shop: APIClient) -> None:
    assert_problem(shop.get(f"{BATCHES}{uuid4()}"), 404)


def test_the_notifications_of_a_batch_can_be_listed(
    shop: APIClient, alice: User, bob: User
) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"user_ids": [str(bob.pk)]}))
    make_all_slices()
    link = read(shop, batch_id)["links"]["notifications"]
    shop.post("/api/v1/notifications/", body(alice), format="json")
    assert [row["user_id"] for row in shop.get(link).json()["results"]] == [str(bob.pk)]


def test_a_list_counts_the_rows_of_small_batches_with_one_statement(
    shop: APIClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Any,
) -> None:
    monkeypatch.setattr(progress, "LISTED_ROWS_MAX", 2)
    sizes = (1, 2, 3, 1)
    found = [accepted_batch_id(upload(shop, ndjson(*[body(alice)] * size))) for size in sizes]
    while make_slice():
        pass

    with django_assert_max_num_queries(2):
        listed = {row["batch_id"]: row for row in shop.get(BATCHES).json()["results"]}

    counts = [listed[batch]["counts"] for batch in found]
    assert counts == [{"pending": 1}, {"pending": 2}, None, {"pending": 1}]
    assert [listed[batch]["progress"] for batch in found] == [0.0, 0.0, None, 0.0]
    assert read(shop, found[2])["counts"] == {"pending": 3}
