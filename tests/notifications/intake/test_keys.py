"""The idempotency key in the header and in the body."""

import json

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.factories import body, client_with
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
