"""Callers of the API, and empty caches for each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Caller, Scope
from apps.templates import rendering

EMAIL: dict[str, Any] = {
    "code": "welcome",
    "notification_type": "email",
    "name": "Welcome",
    "subject": "Welcome, {{ name }}",
    "body": "Hello {{ name }}, see {{ link }}",
}
PUSH: dict[str, Any] = {
    "code": "parcel",
    "notification_type": "push",
    "name": "Parcel",
    "title": "Parcel {{ number }}",
    "body": "It arrives {{ day }}.",
    "link": "https://example.com/{{ number }}",
    "data": {"parcel": "{{ number }}"},
}


class Api:
    """The JSON API as used by one caller."""

    def __init__(self, caller: Caller | None) -> None:
        self.client = APIClient()
        if caller is not None:
            self.client.force_authenticate(
                user=object(),  # type: ignore[arg-type] # The views use only the caller,
                token=caller,  # type: ignore[arg-type] # which the authentication puts in ``auth``.
            )

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/templates/{path}")

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(f"/api/v1/templates/{path}", body, format="json")

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(f"/api/v1/templates/{path}", body, format="json")


@pytest.fixture(autouse=True)
def _own_paths_and_fresh_memory(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.templates.urls"
    rendering.forget()
    yield
    rendering.forget()


@pytest.fixture
def api(db: None) -> Api:
    """An API client with every scope."""
    return Api(Caller(client="shop", scopes=frozenset(Scope)))


def place_of(response: Any) -> str:
    """Return the pointer of the only error of a problem document."""
    ((pointer, _),) = pointers(response)
    return pointer


def pointers(response: Any) -> list[tuple[str, str]]:
    """Return pointer and code of each error of a problem document."""
    return [(error["pointer"], error["code"]) for error in response.json()["errors"]]
