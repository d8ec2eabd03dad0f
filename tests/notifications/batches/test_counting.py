"""The audience of a broadcast is counted in the background, beside its slices."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.notifications.batches.counting import COUNTED_USERS
from apps.notifications.batches.materialize import make_slice
from apps.notifications.models import Batch, BatchState
from apps.users import contacts
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    BATCHES,
    accepted_batch_id,
    broadcast,
    make_all_slices,
    read,
)
from tests.notifications.factories import person
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db
PAGE = "/admin/batches/"


def readers(count: int) -> None:
    """Create users."""
    User.objects.bulk_create(
        User(email=f"reader{n}@example.com", name="Reader", password="!") for n in range(count)
    )


def of_list(shop: APIClient) -> dict[str, Any]:
    """Return the only batch of the list."""
    (found,) = shop.get(BATCHES).json()["results"]
    return dict(found)


@pytest.mark.parametrize("audience", [{"all": True}, {"category": "news"}])
def test_the_request_counts_no_users(
    shop: APIClient, alice: User, bob: User, audience: dict[str, Any]
) -> None:
    with CaptureQueriesContext(connection) as captured:
        answer = broadcast(shop, audience)
    of_users = [query["sql"] for query in captured if '"users_user"' in query["sql"]]
    assert [sql for sql in of_users if "COUNT(" in sql.upper()] == []
    assert answer.json()["total"] is None
    for got in (read(shop, accepted_batch_id(answer)), of_list(shop)):
        assert (got["total"], got["progress"], got["accepted"]) == (None, None, 0)


def test_named_users_have_their_number_at_once(shop: APIClient, alice: User, bob: User) -> None:
    answer = broadcast(shop, {"user_ids": [str(alice.pk), str(bob.pk)]})
    assert answer.json()["total"] == 2
    assert read(shop, accepted_batch_id(answer))["progress"] == 0


def test_the_number_is_known_before_all_notifications_are_made(
    shop: APIClient, alice: User
) -> None:
    readers(1000)
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    person("late")
    assert make_slice()
    got = read(shop, batch_id)
    assert (got["state"], got["total"], got["accepted"]) == ("running", 1001, 500)
    assert (got["progress"], of_list(shop)["total"]) == (0, 1001)


def test_a_large_audience_is_counted_in_pieces(shop: APIClient, alice: User) -> None:
    readers(COUNTED_USERS + 10)
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    assert make_slice()
    got = read(shop, batch_id)
    assert (got["accepted"], got["total"], got["progress"]) == (500, None, None)
    assert make_slice()
    assert read(shop, batch_id)["total"] == COUNTED_USERS + 11


def test_a_part_of_an_audience_is_as_large_as_the_users_that_are_read(alice: User) -> None:
    readers(7)
    contacts.set_channel(user_id=alice.pk, channel="email", category="news", enabled=False)
    counted, after, upto = [], None, Batch().pk
    while True:
        found, after = contacts.count_next_audience(
            after=after, upto=upto, users=3, channel="email", category="news"
        )
        counted.append(found)
        if after is None:
            break
    assert counted == [2, 3, 2]


def test_at_the_end_the_number_is_that_of_the_rows(shop: APIClient, alice: User, bob: User) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    contacts.erase(bob.pk)
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["state"], got["total"], got["accepted"], got["progress"]) == ("finished", 1, 1, 0)
    assert Batch.objects.get().counting is False


def test_the_repeated_call_gets_the_first_answer(shop: APIClient, alice: User) -> None:
    first = broadcast(shop, {"all": True}, request_id="news-7")
    make_all_slices()
    again = broadcast(shop, {"all": True}, request_id="news-7")
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()


def test_a_paused_batch_is_counted_when_it_goes_on(shop: APIClient, alice: User) -> None:
    readers(1000)
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    assert shop.post(f"{BATCHES}{batch_id}/pause").json()["total"] is None
    assert not make_slice()
    assert read(shop, batch_id)["progress"] is None
    assert shop.post(f"{BATCHES}{batch_id}/resume").json()["total"] is None
    assert make_slice()
    assert read(shop, batch_id)["total"] == 1001


def test_a_cancelled_batch_has_the_number_of_its_rows(shop: APIClient, alice: User) -> None:
    readers(COUNTED_USERS + 1)
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    assert make_slice()
    answer = shop.post(f"{BATCHES}{batch_id}/cancel")
    assert (answer.status_code, answer.json()["total"]) == (200, 500)
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["total"], got["progress"], got["counts"]) == (500, 1, {"cancelled": 500})


def test_a_batch_that_is_cancelled_at_once_has_no_rows(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    shop.post(f"{BATCHES}{batch_id}/cancel")
    make_all_slices()
    got = read(shop, batch_id)
    assert (got["state"], got["total"], got["progress"]) == ("cancelled", 0, 1)


def test_counting_goes_on_while_a_lane_is_long(shop: APIClient, alice: User, lanes: Lanes) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    Batch.objects.update(lanes=["email.bulk"])
    lanes.fill("email.bulk", 50)
    assert make_all_slices() == 0
    got = read(shop, batch_id)
    assert (got["accepted"], got["total"], got["progress"]) == (0, 1, 0)


def finished_by_an_earlier_release(batch: Batch) -> None:
    """Write what its last step writes: it does not know the columns of the count."""
    Batch.objects.filter(pk=batch.pk).update(
        total=1, accepted=1, state=BatchState.FINISHED, next_at=None, terms={}
    )


def cancelled_by_an_earlier_release(batch: Batch) -> None:
    """Write what its cancel and the step after it write."""
    Batch.objects.filter(pk=batch.pk).update(
        accepted=1, state=BatchState.CANCELLED, next_at=None, terms={}
    )


@pytest.mark.parametrize("end", [finished_by_an_earlier_release, cancelled_by_an_earlier_release])
def test_a_batch_that_an_earlier_release_has_ended_has_the_number_of_its_rows(
    shop: APIClient, alice: User, end: Callable[[Batch], None]
) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    end(Batch.objects.get())
    got = read(shop, batch_id)
    assert got["total"] == 1
    assert got["progress"] is not None


def test_a_batch_of_an_earlier_release_keeps_its_number(
    shop: APIClient, alice: User, bob: User
) -> None:
    answer = broadcast(shop, {"all": True}, request_id="news-7")
    Batch.objects.update(total=2, counting=False)
    assert read(shop, accepted_batch_id(answer))["total"] == 2
    assert broadcast(shop, {"all": True}, request_id="news-7").json()["total"] == 2
    make_all_slices()
    assert read(shop, accepted_batch_id(answer))["total"] == 2


def test_the_admin_says_that_an_audience_is_being_counted(
    shop: APIClient, alice: User, admin_client: Client
) -> None:
    batch_id = accepted_batch_id(broadcast(shop, {"all": True}))
    for path in (PAGE, f"{PAGE}{batch_id}/"):
        assert "being counted" in admin_client.get(path).content.decode()
    make_all_slices()
    assert "being counted" not in admin_client.get(PAGE).content.decode()
