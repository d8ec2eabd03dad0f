"""The idempotency key in the header and in the body."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Batch, Notification
from apps.users.models import User
from tests.notifications.batches.batch_api import (
    accepted_batch_id,
    broadcast,
    ndjson,
    upload,
)
from tests.notifications.factories import body, client_with, row_with_status
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
SEND = "/api/v1/notifications/"


@pytest.fixture
def shop() -> APIClient:
    return client_with(Scope.NOTIFICATIONS_SEND)


def wire(text: str) -> str:
    """Return a header as WSGI gives it: the bytes of UTF-8 as Latin-1."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ('"order 7"', "order 7"),
        ("Bestellung-\u00e4\u20ac", "Bestellung-\u00e4\u20ac"),
        ('"Bestellung-\u00e4"', "Bestellung-\u00e4"),
        ('a"b', 'a"b'),
        ('"', '"'),
        ('"a"b"', '"a"b"'),
        ("x" * 255, "x" * 255),
        ("\u00e4" * 255, "\u00e4" * 255),
    ],
)
def test_the_header_is_the_same_key_as_in_the_body(
    shop: APIClient, alice: User, header: str, key: str
) -> None:
    first = shop.post(SEND, body(alice), format="json", HTTP_IDEMPOTENCY_KEY=wire(header))
    again = shop.post(SEND, body(alice, request_id=key), format="json")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["request_id"] == key
    assert again.json()["id"] == first.json()["id"]
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("header", ['"abc"', "abc"])
def test_a_quoted_header_agrees_with_the_body(shop: APIClient, alice: User, header: str) -> None:
    asked = body(alice, request_id="abc")

    answer = shop.post(SEND, asked, format="json", HTTP_IDEMPOTENCY_KEY=header)

    assert answer.status_code == 202


@pytest.mark.parametrize("rows", [1, 2])
def test_a_key_that_was_stored_with_its_quotation_marks_is_found(
    shop: APIClient, alice: User, rows: int
) -> None:
    """Earlier releases stored them as a part of the key; a call is repeated after an upgrade."""
    asked: Any = body(alice) if rows == 1 else {"notifications": [body(alice)] * rows}
    path = SEND if rows == 1 else f"{SEND}bulk"
    first = shop.post(path, asked, format="json", HTTP_IDEMPOTENCY_KEY='"abc"')
    Notification.objects.filter(request_id="abc").update(request_id='"abc"')
    Batch.objects.filter(request_id="abc").update(request_id='"abc"')

    again = shop.post(path, asked, format="json", HTTP_IDEMPOTENCY_KEY='"abc"')

    assert (first.status_code, again.status_code) == (202, 202)
    assert again["Idempotency-Replayed"] == "true"
    assert Notification.objects.count() == rows


def test_a_broadcast_and_an_upload_find_such_a_key(shop: APIClient, alice: User) -> None:
    calls: list[Callable[..., Any]] = [
        partial(broadcast, shop, {"all": True}),
        partial(upload, shop, ndjson(body(alice))),
    ]
    for number, call in enumerate(calls):
        first = accepted_batch_id(call(HTTP_IDEMPOTENCY_KEY=f'"{number}"'))
        stored = Batch.objects.filter(pk=first, request_id=str(number))
        assert stored.update(request_id=f'"{number}"') == 1

        again = call(HTTP_IDEMPOTENCY_KEY=f'"{number}"')

        assert (accepted_batch_id(again), again["Idempotency-Replayed"]) == (first, "true")
    assert Batch.objects.count() == len(calls)


def test_a_replay_finds_such_a_key(shop: APIClient, alice: User) -> None:
    original = row_with_status(alice, Status.BOUNCED)
    path = f"{SEND}{original.pk}/replay"
    first = shop.post(path, HTTP_IDEMPOTENCY_KEY='"abc"')
    assert Notification.objects.filter(request_id="abc").update(request_id='"abc"') == 1

    again = shop.post(path, HTTP_IDEMPOTENCY_KEY='"abc"')

    assert first.status_code == 202, first.content
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("header", ["", " ", '""', '" "', "a\tb", "a\x7fb", "x" * 256])
def test_a_key_that_cannot_be_one_is_refused(shop: APIClient, alice: User, header: str) -> None:
    answer = shop.post(SEND, body(alice), format="json", HTTP_IDEMPOTENCY_KEY=header)

    problem = assert_problem(answer, 400)
    assert problem["errors"][0]["pointer"] == "/request_id"
    assert not Notification.objects.exists()


@pytest.mark.parametrize("key", ["", " ", "\u3000", "a\tb", "a\nb", "abc\n", "a\u0085b", "x" * 256])
def test_a_key_in_the_body_that_cannot_be_one_is_refused(
    shop: APIClient, alice: User, key: str
) -> None:
    asked = json.dumps(body(alice, request_id=key))

    problem = assert_problem(shop.post(SEND, asked, content_type="application/json"), 400)

    assert problem["errors"][0]["pointer"] == "/request_id"
    assert not Notification.objects.exists()
