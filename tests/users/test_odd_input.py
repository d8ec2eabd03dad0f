"""Invalid input is refused and never causes an internal error."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.users.models import User

ODD_BODIES = [
    b"",
    b"[]",
    b'"text"',
    b"null",
    b"{",
    b'{"email": "\\ud800@example.com", "password": "x", "name": "x", "refresh": "x"}',
    b'{"email": "a\\u0000@example.com", "password": "x", "name": "x", "refresh": "\\u0000"}',
    b'{"email": {"a": 1}, "password": 1e400, "name": [], "refresh": {}}',
    '{"email": "é@example.com", "name": "\u202e", "push_token": "\u2028"}'.encode(),
    b'{"email": "' + b"a" * 5000 + b'@example.com", "password": "x", "name": "x"}',
]
PATHS = [
    "/api/v1/users/",
    "/api/v1/users/login",
    "/api/v1/users/token/refresh",
    "/api/v1/users/password/reset",
    "/api/v1/users/password/reset/confirm",
    "/api/v1/users/email/confirm",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", ODD_BODIES)
def test_an_invalid_body_is_refused(shop: APIClient, path: str, body: bytes) -> None:
    answer: Any = shop.generic("POST", path, body.decode(), content_type="application/json")
    assert 400 <= answer.status_code < 500
    assert answer["Content-Type"] == "application/problem+json"
    assert User.objects.count() == 0


@pytest.mark.parametrize("path", PATHS)
def test_another_content_type_is_a_415(shop: APIClient, path: str) -> None:
    answer: Any = shop.generic("POST", path, "name=x", content_type="text/plain")
    assert answer.status_code == 415


@pytest.mark.django_db
@pytest.mark.parametrize(
    "credential",
    ["Bearer", "Bearer é", "Bearer a.b.c", "Bearer e30.e30.e30", "Api-Key", "Api-Key é", "Basic x"],
)
def test_an_invalid_credential_is_a_401(credential: str) -> None:
    answer = APIClient().get("/api/v1/users/", HTTP_AUTHORIZATION=credential)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query", ["external_id=%ED%A0%80", "email=%FF", "cursor=%FF", "page_size=٣"]
)
def test_an_invalid_query_causes_no_internal_error(shop: APIClient, query: str) -> None:
    assert shop.get(f"/api/v1/users/?{query}").status_code in {200, 400}


def test_other_methods_are_a_405(shop: APIClient, alice: User) -> None:
    for method, path in [
        ("delete", "/api/v1/users/"),
        ("get", "/api/v1/users/login"),
        ("post", f"/api/v1/users/{alice.pk}/preferences"),
        ("put", f"/api/v1/users/{alice.pk}/devices/"),
        ("get", f"/api/v1/users/{alice.pk}/devices/{alice.pk}"),
    ]:
        answer = getattr(shop, method)(path, {}, format="json")
        assert answer.status_code == 405
        assert answer["Allow"]
