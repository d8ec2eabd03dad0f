"""Security rules for every endpoint; new endpoints are included automatically."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient
from rest_framework.views import APIView

from apps.common.callers import Scope
from apps.common.ids import new_id
from apps.common.rest.permissions import Access, HasAccess
from apps.notifications.models import Notification
from apps.users import tokens
from apps.users.models import User
from tests.notifications.factories import client_with
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db

WORDS = {"template_code": "welcome", "number": "1", "name": "smtp", "token": "x"}

# Paths without API authentication: pages with a login of their own, links with a token, health
# checks, and the documentation. docs/security.md explains each.
OPEN = {
    "errors/",
    "errors/<slug:code>",
    "",
    "account/",
    "admin/",
    "api/auth/",
    "api/docs/",
    "api/redoc/",
    "api/schema/",
    "api/v1/",
    "api/v1/receipts/app",
    "api/v1/receipts/sendgrid",
    "api/v1/users/email/confirm",
    "api/v1/users/login",
    "api/v1/users/logout",
    "api/v1/users/password/reset",
    "api/v1/users/password/reset/confirm",
    "api/v1/users/token/refresh",
    "favicon.ico",
    "health/live",
    "health/ready",
    "metrics",
    "sandbox/",
    "unsubscribe/",
}
# Registration checks access in its view, because it may be open to unauthenticated callers.
DECIDES_ITSELF = {("POST", "api/v1/users/")}


@dataclass(frozen=True)
class Endpoint:
    """A method of a path."""

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
    """Return every method of every API view, each once although it has two spellings."""
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


def test_the_endpoints_are_found() -> None:
    assert len(ENDPOINTS) > 40
    assert len(OF_A_USER) > 8


def test_no_other_path_is_open_to_unauthenticated_callers() -> None:
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


def test_every_endpoint_is_checked_by_its_access_table() -> None:
    unchecked = [
        route
        for route, view in routes()
        if route.startswith("api/v1/") and HasAccess not in view_class(view).permission_classes
    ]
    assert unchecked == []


def answers(
    endpoints: list[Endpoint], caller: APIClient, **given: Any
) -> dict[str, tuple[int, str]]:
    """Call each endpoint, in one test because a database per endpoint would take too long."""
    found = {}
    for endpoint in endpoints:
        answer = endpoint.call(caller, **given)
        if answer.status_code >= 400:
            assert_problem(answer, answer.status_code)
        found[str(endpoint)] = (answer.status_code, answer.content.decode())
    return found


def statuses(found: dict[str, tuple[int, str]], *expected: int) -> dict[str, int]:
    """Return the statuses that are not expected."""
    return {name: status for name, (status, _) in found.items() if status not in expected}


def test_an_unauthenticated_caller_is_a_401_everywhere() -> None:
    assert statuses(answers(CLOSED, APIClient(raise_request_exception=False)), 401) == {}


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_without_the_scope_is_a_403_everywhere(scope: Scope) -> None:
    others = set(Scope) - {scope}
    asking = [one for one in CLOSED if one.access.scope is scope]
    only = [one for one in asking if not one.access.operations]
    assert statuses(answers(only, client_with(*others)), 403) == {}
    # For some endpoints the scope ``operations`` is sufficient, too.
    others -= {Scope.OPERATIONS}
    assert statuses(answers(asking, client_with(*others)), 403) == {}
    assert Notification.objects.count() == 0


def test_every_closed_endpoint_requires_a_scope() -> None:
    assert [str(one) for one in CLOSED if one.access.scope is None] == []


def test_an_end_user_is_a_403_on_endpoints_without_own_data(alice: User) -> None:
    nothing_theirs = [one for one in CLOSED if not one.access.own]
    assert statuses(answers(nothing_theirs, logged_in(alice)), 403) == {}


def test_an_end_user_finds_no_other_user_on_any_endpoint(alice: User, bob: User) -> None:
    assert statuses(answers(OF_A_USER, logged_in(alice), user_id=bob.pk), 404) == {}
    bob.refresh_from_db()
    assert (bob.name, bob.erased_at, bob.devices.count()) == ("Bob", None, 1)


def test_staff_without_permissions_have_the_rights_of_end_users(alice: User, bob: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    staff = logged_in(alice)
    own = answers([one for one in CLOSED if one.access.own], staff, user_id=bob.pk)
    others = answers([one for one in CLOSED if not one.access.own], staff, user_id=bob.pk)
    assert statuses(own, 200, 404) == {}
    assert statuses(others, 403) == {}
    assert [name for name, (_, text) in own.items() if "bob@example.com" in text] == []


def logged_in(user: User) -> APIClient:
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access}")
    return caller
