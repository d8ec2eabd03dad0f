"""The rows of a file may name users by the client's own ids or by addresses."""

import json
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.models import Batch, Notification
from apps.users.models import ExternalId, User
from tests.notifications.batches.batch_api import (
    accepted_batch_id,
    errors,
    make_all_slices,
    read,
    upload,
)
from tests.notifications.factories import client_with

pytestmark = pytest.mark.django_db
CSV = "text/csv"
QUERY = "?notification_type=email&template_code=welcome"
REST = "variables.name,variables.link"


def sent_to(shop: APIClient, text: str, *, media_type: str = CSV) -> list[Any]:
    accepted_batch_id(upload(shop, text, media_type=media_type, query=QUERY))
    make_all_slices()
    return list(Notification.objects.order_by("variables__name").values_list("user_id", flat=True))


def test_users_are_found_by_the_ids_of_the_client(shop: APIClient, alice: User, bob: User) -> None:
    ExternalId.objects.create(user=alice, client="shop", value="c-1")
    ExternalId.objects.create(user=bob, client="shop", value="c-2")
    ExternalId.objects.create(user=bob, client="other", value="c-1")
    assert sent_to(shop, f"external_id,{REST}\n c-2 ,A,x\nc-1,B,x\n") == [bob.pk, alice.pk]


def test_users_are_found_by_their_addresses_in_any_spelling(
    shop: APIClient, alice: User, bob: User
) -> None:
    text = f"Email,{REST}\nBOB@example.com,A,x\nalice@EXAMPLE.com,B,x\n"
    assert sent_to(shop, text) == [bob.pk, alice.pk]


def test_the_first_name_that_a_row_has_counts(shop: APIClient, alice: User, bob: User) -> None:
    ExternalId.objects.create(user=alice, client="shop", value="c-1")
    text = (
        f"email,external_id,user_id,{REST}\n"
        f"bob@example.com,c-1,{bob.pk},A,x\nbob@example.com,c-1,,B,x\nbob@example.com,,,C,x\n"
    )
    assert sent_to(shop, text) == [bob.pk, alice.pk, bob.pk]


def test_ndjson_names_users_as_well(shop: APIClient, alice: User, bob: User) -> None:
    rest = {"template_code": "welcome", "notification_type": "email"}
    rows = [
        {**rest, "email": "bob@example.com", "variables": {"name": "A", "link": "x"}},
        {**rest, "user_id": str(alice.pk), "variables": {"name": "B", "link": "x"}},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert sent_to(shop, text, media_type="application/x-ndjson") == [bob.pk, alice.pk]


def test_an_unknown_or_erased_user_is_the_error_of_its_row(
    shop: APIClient, alice: User, bob: User
) -> None:
    ExternalId.objects.create(user=bob, client="shop", value="c-2")
    User.objects.filter(pk=bob.pk).update(erased_at=timezone.now())
    rows = "c-1,,A,x\nc-2,,B,x\n,nobody@example.com,C,x\n,alice@example.com,D,x\n"
    text = f"external_id,email,{REST}\n{rows}"
    batch_id = accepted_batch_id(upload(shop, text, media_type=CSV, query=QUERY))
    make_all_slices()
    found = [(row["line"], row["errors"][0]) for row in errors(shop, batch_id)]
    assert [(line, error["pointer"], error["code"]) for line, error in found] == [
        (2, "/external_id", "unknown_user"),
        (3, "/external_id", "unknown_user"),
        (4, "/email", "unknown_user"),
    ]
    assert read(shop, batch_id)["accepted"] == 1


@pytest.mark.parametrize("media_type", [CSV, "application/x-ndjson"])
def test_without_the_scope_the_whole_file_is_refused(
    welcome: None, alice: User, media_type: str
) -> None:
    caller = client_with(Scope.NOTIFICATIONS_SEND)
    text = f"email,{REST}\nalice@example.com,A,x\n"
    if media_type != CSV:
        text = '{"email": "alice@example.com"}\n'
    answer = upload(caller, text, media_type=media_type, query=QUERY)
    assert answer.status_code == 403
    assert "users:read" in answer.json()["detail"]
    assert Batch.objects.count() == 0


def test_without_the_scope_users_are_named_by_their_ids(welcome: None, alice: User) -> None:
    caller = client_with(Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ)
    assert sent_to(caller, f"user_id,email,{REST}\n{alice.pk},ignored,A,x\n") == [alice.pk]


def test_a_name_that_is_no_text_is_the_error_of_its_row(shop: APIClient, alice: User) -> None:
    batch_id = accepted_batch_id(upload(shop, '{"email": 7}\n', query=QUERY))
    make_all_slices()
    assert errors(shop, batch_id)[0]["errors"][0]["pointer"] == "/email"


def test_users_of_a_slice_are_found_with_two_queries(
    shop: APIClient, alice: User, django_assert_max_num_queries: Any
) -> None:
    rows = "".join(f"alice@example.com,{number},x\n" for number in range(300))
    accepted_batch_id(upload(shop, f"email,{REST}\n{rows}", media_type=CSV, query=QUERY))
    with django_assert_max_num_queries(40):
        make_all_slices()
    assert Notification.objects.count() == 300


def test_an_earlier_release_does_not_read_a_file_that_names_users_otherwise(
    shop: APIClient, alice: User
) -> None:
    """It would refuse all rows. Without this key its step fails, waits and is repeated."""
    accepted_batch_id(
        upload(shop, f"email,{REST}\na@example.com,A,x\n", media_type=CSV, query=QUERY)
    )
    accepted_batch_id(
        upload(shop, f"user_id,{REST}\n{alice.pk},A,x\n", media_type=CSV, query=QUERY)
    )
    typed = f"user_id,{REST},variables.x:number\n{alice.pk},A,x,1\n"
    accepted_batch_id(upload(shop, typed, media_type=CSV, query=QUERY))
    accepted_batch_id(upload(shop, '{"email": "a@example.com"}\n', query=QUERY))
    terms = Batch.objects.order_by("pk").values_list("terms", flat=True)
    assert ["header" in one for one in terms] == [False, True, False, False]
