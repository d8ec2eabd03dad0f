"""Each request has a correlation id: from the caller, from its trace, or a new one."""

from uuid import UUID

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient, APIRequestFactory

from apps.common.middleware.correlation import correlated, current_id, incoming_id
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.factories import body

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PATH = "/health/live"


@pytest.mark.parametrize("header", ["HTTP_X_CORRELATION_ID", "HTTP_X_REQUEST_ID"])
@pytest.mark.parametrize("given_id", ["a", "order 42", "x" * 128, "~!@#$%^&*()", 'a"b\\c'])
def test_a_printable_correlation_id_is_used_and_returned(
    client: Client, header: str, given_id: str
) -> None:
    assert client.get(PATH, **{header: given_id})["X-Correlation-ID"] == given_id  # type: ignore[arg-type] # Headers.


@pytest.mark.parametrize(
    "given_id",
    ["", " ", "x" * 129, "tab\there", "ключ", "a\x7f", " leading", "é", "\x00", "a\x1b[0m"],
)
def test_any_other_correlation_id_is_replaced(client: Client, given_id: str) -> None:
    made = client.get(PATH, HTTP_X_CORRELATION_ID=given_id)["X-Correlation-ID"]
    assert made != given_id
    assert UUID(made).version == 7


def test_each_request_without_an_id_gets_a_new_one(client: Client) -> None:
    assert client.get(PATH)["X-Correlation-ID"] != client.get(PATH)["X-Correlation-ID"]


def test_the_correlation_id_has_priority_over_the_request_id_and_the_trace(client: Client) -> None:
    answer = client.get(
        PATH,
        HTTP_X_CORRELATION_ID="first",
        HTTP_X_REQUEST_ID="second",
        HTTP_TRACEPARENT=f"00-{TRACE}-00f067aa0ba902b7-01",
    )
    assert answer["X-Correlation-ID"] == "first"
    answer = client.get(
        PATH,
        HTTP_X_CORRELATION_ID="\x07",
        HTTP_X_REQUEST_ID="second",
        HTTP_TRACEPARENT=f"00-{TRACE}-00f067aa0ba902b7-01",
    )
    assert answer["X-Correlation-ID"] == "second"


def test_a_trace_parent_gives_its_trace_id(client: Client) -> None:
    answer = client.get(PATH, HTTP_TRACEPARENT=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert answer["X-Correlation-ID"] == TRACE


@pytest.mark.parametrize(
    "traceparent",
    [
        "nonsense",
        f"00-{TRACE}-00f067aa0ba902b7",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE}-short-01",
    ],
)
def test_a_malformed_trace_parent_is_ignored(client: Client, traceparent: str) -> None:
    made = client.get(PATH, HTTP_TRACEPARENT=traceparent)["X-Correlation-ID"]
    assert UUID(made).version == 7


@given(given_id=st.text(max_size=200))
def test_the_id_is_short_and_printable_for_any_header(given_id: str) -> None:
    request = APIRequestFactory().get("/", HTTP_X_CORRELATION_ID=given_id)
    found = incoming_id(request)
    assert 1 <= len(found) <= 128
    assert found.isascii()
    assert found.isprintable()


def test_error_answers_contain_the_correlation_id(client: Client) -> None:
    answer = client.get("/nowhere", HTTP_X_CORRELATION_ID="lost-1")
    assert answer.status_code == 404
    assert answer["X-Correlation-ID"] == answer.json()["correlation_id"] == "lost-1"


@pytest.mark.django_db
def test_the_correlation_id_is_stored_with_the_notification(shop: APIClient, alice: User) -> None:
    path = "/api/v1/notifications/"
    answer = shop.post(path, body(alice), format="json", HTTP_X_CORRELATION_ID="order 42")
    assert answer.json()["correlation_id"] == "order 42"
    assert Notification.objects.get().correlation_id == "order 42"


def test_the_id_is_bound_only_within_its_block() -> None:
    assert current_id() == ""
    with correlated("outer"):
        with correlated("inner"):
            assert current_id() == "inner"
        assert current_id() == "outer"
    assert current_id() == ""
