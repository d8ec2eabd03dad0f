"""The fast path of ``POST`` answers exactly as the REST framework's usual path does."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from rest_framework.test import APIClient
from rest_framework.views import APIView

from apps.common.callers import Scope
from apps.notifications.models import Notification
from apps.users import api_keys
from apps.users.models import User
from tests.notifications.factories import body, client_with

URL = "/api/v1/notifications/"
# An Accept header for JSON that the fast path does not handle, so the usual path answers.
USUAL: dict[str, Any] = {"HTTP_ACCEPT": "application/json, text/plain;q=0.1"}
VARYING = {"id", "notification_id", "created_at", "correlation_id", "links"}


@pytest.fixture
def usual_calls() -> Iterator[list[str]]:
    """List the requests that went through the REST framework's own dispatch."""
    calls: list[str] = []
    real = APIView.dispatch

    def dispatch(self: APIView, request: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(request.method)
        return real(self, request, *args, **kwargs)

    with patch.object(APIView, "dispatch", dispatch):
        yield calls


def comparable(answer: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers, without what differs between two equal calls."""
    document = {key: value for key, value in answer.json().items() if key not in VARYING}
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"X-Correlation-ID", "RateLimit", "Content-Length"}
    }
    return answer.status_code, document, headers


def cases(alice: User) -> dict[str, Any]:
    fine = body(alice)
    return {
        "fine": fine,
        "with everything": {
            **fine,
            "priority": 9,
            "metadata": {"order": 1},
            "language": "de",
            "scheduled_for": "2099-01-01T00:00:00Z",
        },
        "unknown field": {**fine, "colour": "red"},
        "wrong type": {**fine, "priority": "high"},
        "missing variable": {**fine, "variables": {}},
        "unknown user": {**fine, "user_id": "00000000-0000-7000-8000-000000000000"},
        "unknown template": {**fine, "template_code": "nowhere"},
        "wrong channel": {**fine, "notification_type": "push"},
        "past expiry": {**fine, "expires_at": "2001-01-01T00:00:00Z"},
        "a list": [fine],
    }


@pytest.mark.parametrize(
    "case",
    [
        "fine",
        "with everything",
        "unknown field",
        "wrong type",
        "missing variable",
        "unknown user",
        "unknown template",
        "wrong channel",
        "past expiry",
        "a list",
    ],
)
def test_both_paths_answer_alike(
    shop: APIClient, alice: User, usual_calls: list[str], case: str
) -> None:
    document = cases(alice)[case]

    fast = shop.post(URL, document, format="json")
    assert usual_calls == []
    usual = shop.post(URL, document, format="json", **USUAL)
    assert usual_calls == ["POST"]

    assert comparable(fast) == comparable(usual)
    assert Notification.objects.count() in {0, 2}


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"a": "\\u0000"}', b"[" * 40, b"null", b" "])
def test_both_paths_answer_alike_to_a_broken_body(
    shop: APIClient, alice: User, usual_calls: list[str], raw: bytes
) -> None:
    fast = shop.post(URL, raw, content_type="application/json")
    assert usual_calls == []

    assert comparable(fast) == comparable(
        shop.post(URL, raw, content_type="application/json", **USUAL)
    )
    assert fast.status_code == 400


def test_both_paths_refuse_a_large_body(shop: APIClient, alice: User, settings: Any) -> None:
    settings.REQUEST_BODY_MAX_BYTES = 100

    fast = shop.post(URL, body(alice), format="json")

    assert comparable(fast) == comparable(shop.post(URL, body(alice), format="json", **USUAL))
    assert fast.status_code == 413


@pytest.mark.parametrize(
    "credentials",
    [
        {"HTTP_AUTHORIZATION": "Api-Key nk_live_aaaaaaaa_" + "a" * 43},
        {"HTTP_AUTHORIZATION": "Api-Key "},
        {"HTTP_X_API_KEY": "nonsense"},
    ],
)
def test_both_paths_refuse_a_bad_key(alice: User, credentials: dict[str, str]) -> None:
    stranger = APIClient()
    stranger.credentials(**credentials)

    fast = stranger.post(URL, body(alice), format="json")

    assert comparable(fast) == comparable(stranger.post(URL, body(alice), format="json", **USUAL))
    assert fast.status_code == 401
    assert fast["WWW-Authenticate"]


def test_both_paths_refuse_a_wrong_secret(alice: User) -> None:
    key, _ = api_keys.create(name="shop")
    stranger = APIClient()
    stranger.credentials(HTTP_X_API_KEY=f"{key.prefix}_{'a' * 43}")

    fast = stranger.post(URL, body(alice), format="json")

    assert comparable(fast) == comparable(stranger.post(URL, body(alice), format="json", **USUAL))
    assert fast.status_code == 401


def test_both_paths_refuse_a_key_without_the_scope(alice: User) -> None:
    reader = client_with(Scope.NOTIFICATIONS_READ)

    fast = reader.post(URL, body(alice), format="json")

    assert comparable(fast) == comparable(reader.post(URL, body(alice), format="json", **USUAL))
    assert fast.status_code == 403
    assert not Notification.objects.exists()


def test_both_paths_share_the_idempotency_keys(shop: APIClient, alice: User) -> None:
    document = body(alice, request_id="order-1")
    first = shop.post(URL, document, format="json")

    again = shop.post(URL, document, format="json", **USUAL)
    once_more = shop.post(URL, body(alice), format="json", HTTP_IDEMPOTENCY_KEY="order-1")
    other = shop.post(URL, {**document, "priority": 1}, format="json")

    assert [again.json(), once_more.json()] == [first.json()] * 2
    assert again["Idempotency-Replayed"] == once_more["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_an_internal_error_is_a_500_with_its_id(shop: APIClient, alice: User) -> None:
    with patch(
        "apps.notifications.intake.accept.accept_all", side_effect=RuntimeError("secret words")
    ):
        answer = shop.post(URL, body(alice), format="json")

    assert answer.status_code == 500
    assert "secret" not in answer.content.decode()
    assert answer.json()["correlation_id"] == answer["X-Correlation-ID"]


@pytest.mark.parametrize(
    "how",
    [
        {"HTTP_ACCEPT": "text/html"},
        {"QUERY_STRING": "format=json"},
        {"HTTP_ACCEPT": "application/xml"},
    ],
)
def test_a_call_that_may_need_another_format_takes_the_usual_path(
    shop: APIClient, alice: User, usual_calls: list[str], how: dict[str, Any]
) -> None:
    shop.post(URL, body(alice), format="json", **how)

    assert usual_calls == ["POST"]


def test_an_empty_body_takes_the_usual_path(shop: APIClient, usual_calls: list[str]) -> None:
    answer = shop.post(URL, b"", content_type="application/json")

    assert usual_calls == ["POST"]
    assert answer.status_code == 400


def test_a_browser_with_a_key_gets_a_page(shop: APIClient, alice: User) -> None:
    page = shop.get(URL, HTTP_ACCEPT="text/html")

    assert page.status_code == 200
    assert page["Content-Type"].startswith("text/html")


def test_a_key_wins_over_a_session(shop: APIClient, alice: User, charlie: User) -> None:
    shop.force_login(charlie)

    answer = shop.post(URL, body(alice), format="json")

    assert answer.status_code == 202
    assert Notification.objects.get().client == "shop"
