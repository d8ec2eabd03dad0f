"""Rules that hold for every endpoint there is, so that a new one is held to them unasked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient
from rest_framework.views import APIView

from apps.common.callers import Scope
from apps.common.ids import new_id
from apps.common.permissions import Access, HasAccess
from apps.notifications.models import Notification
from apps.users import tokens
from apps.users.models import User
from tests.notifications.cast import assert_problem, client_with

pytestmark = pytest.mark.django_db

WORDS = {"template_code": "welcome", "number": "1", "name": "smtp", "token": "x"}

# What needs no credential of the API: pages with a login of their own, links with a token in them,
# the state of the process, and the documentation. docs/security.md explains each.
OPEN = {
    "",
    "account/",
    "admin/",
    "api/auth/",
    "api/docs/",
    "api/redoc/",
    "api/schema/",
    "api/v1/",
    "api/v1/users/email/confirm",
    "api/v1/users/login",
    "api/v1/users/logout",
    "api/v1/users/password/reset",
    "api/v1/users/password/reset/confirm",
    "api/v1/users/token/refresh",
    "health/live",
    "health/ready",
    "metrics",
    "sandbox/",
    "unsubscribe/",
}
# Registration decides by itself, because it may be open to strangers.
DECIDES_ITSELF = {("POST", "api/v1/users/")}


@dataclass(frozen=True)
class Endpoint:
    """One method of one path."""

    method: str
    route: str
    access: Access

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    def path(self, **given: Any) -> str:
        parts = []
        for part in self.route.split("/"):
            name = part.strip("<>").rpartition(":")[2] if part.startswith("<") else None
            parts.append(
                part if name is None else str(given.get(name) or WORDS.get(name, new_id()))
            )
        return "/" + "/".join(parts)

    def call(self, caller: APIClient, **given: Any) -> Any:
        return caller.generic(
            self.method, self.path(**given), data="{}", content_type="application/json"
        )


def routes(patterns: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


def view_class(view: Any) -> Any:
    return getattr(view, "cls", None) or getattr(view, "view_class", None)


def api_endpoints() -> list[Endpoint]:
    """Every method of every view of the API, each once although it has two spellings."""
    found: dict[tuple[str, str], Endpoint] = {}
    for route, view in routes():
        cls = view_class(view)
        if cls is None or not issubclass(cls, APIView) or not hasattr(cls, "access"):
            continue
        for method, access in cls.access.items():
            found.setdefault((method, route.rstrip("/")), Endpoint(method, route, access))
    return sorted(found.values(), key=str)


ENDPOINTS = api_endpoints()
CLOSED = [
    one
    for one in ENDPOINTS
    if not one.access.anyone and (one.method, one.route) not in DECIDES_ITSELF
]
OF_A_USER = [one for one in CLOSED if "<uuid:user_id>" in one.route and one.access.own]


def test_there_are_as_many_endpoints_as_we_know() -> None:
    assert len(ENDPOINTS) > 40
    assert len(OF_A_USER) > 8


def test_nothing_else_is_open_to_strangers() -> None:
    closed = {one.route.rstrip("/") for one in CLOSED} | {"api/v1/users"}
    unknown = {
        route
        for route, _ in routes()
        if route.rstrip("/") not in closed
        and route not in OPEN
        and route.rstrip("/") not in {one.rstrip("/") for one in OPEN}
        and not route.startswith(("admin/", "account/", "sandbox/", "unsubscribe/", "api/auth/"))
    }
    assert unknown == set()


def test_every_endpoint_is_checked_by_its_table() -> None:
    unchecked = [
        route
        for route, view in routes()
        if route.startswith("api/v1/") and HasAccess not in view_class(view).permission_classes
    ]
    assert unchecked == []


@pytest.mark.parametrize("endpoint", CLOSED, ids=str)
def test_a_stranger_is_a_401_everywhere(endpoint: Endpoint) -> None:
    answer = endpoint.call(APIClient(raise_request_exception=False))
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Api-Key")


@pytest.mark.parametrize("endpoint", CLOSED, ids=str)
def test_a_key_without_the_scope_is_a_403_everywhere(endpoint: Endpoint) -> None:
    assert endpoint.access.scope is not None
    others = client_with(*(set(Scope) - {endpoint.access.scope}))
    assert_problem(endpoint.call(others), 403)
    assert Notification.objects.count() == 0


@pytest.mark.parametrize("endpoint", [one for one in CLOSED if not one.access.own], ids=str)
def test_an_end_user_is_a_403_wherever_nothing_is_theirs(alice: User, endpoint: Endpoint) -> None:
    assert_problem(endpoint.call(logged_in(alice)), 403)


@pytest.mark.parametrize("endpoint", OF_A_USER, ids=str)
def test_an_end_user_finds_nobody_else_anywhere(alice: User, bob: User, endpoint: Endpoint) -> None:
    assert_problem(endpoint.call(logged_in(alice), user_id=bob.pk), 404)
    bob.refresh_from_db()
    assert (bob.name, bob.erased_at, bob.devices.count()) == ("Bob", None, 1)


@pytest.mark.parametrize("endpoint", CLOSED, ids=str)
def test_staff_without_permissions_are_no_more_than_end_users(
    alice: User, bob: User, endpoint: Endpoint
) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    answer = endpoint.call(logged_in(alice), user_id=bob.pk)
    expected = {200, 404} if endpoint.access.own else {403}
    assert answer.status_code in expected, answer.content
    assert "bob@example.com" not in answer.content.decode()


def logged_in(user: User) -> APIClient:
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access}")
    return caller
