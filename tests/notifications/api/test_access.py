"""Access rights: which credential may call which operation, and which notifications it sees."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from apps.common.callers import Caller, Kind, Scope
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users import tokens
from apps.users.models import User
from tests.notifications.factories import TEST_CALLER, accepted, body, client_with, person
from tests.notifications.problems import assert_problem

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
SEND, READ, OPERATIONS = Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ, Scope.OPERATIONS

# Every operation of the pipeline's API, with the scope that a key needs for it.
OPERATIONS_AND_SCOPES = [
    ("POST", "/notifications/", SEND),
    ("GET", "/notifications/", READ),
    ("POST", "/notifications/bulk", SEND),
    ("GET", "/notifications/{id}", READ),
    ("GET", "/notifications/{id}/status", READ),
    ("POST", "/notifications/{id}/cancel", SEND),
    ("POST", "/notifications/{id}/replay", SEND),
    ("GET", "/services/", OPERATIONS),
    ("GET", "/users/{user}", Scope.USERS_READ),
    ("DELETE", "/users/{user}", Scope.USERS_WRITE),
    ("POST", "/templates/welcome/preview", Scope.TEMPLATES_READ),
    ("POST", "/templates/welcome/test-send", SEND),
]


def call(caller: APIClient, method: str, path: str, user: User, row: Notification) -> Any:
    filled = V1 + path.format(id=row.pk, user=user.pk)
    bodies = {
        "/notifications/": body(user),
        "/notifications/bulk": {"notifications": [body(user)]},
        "/templates/welcome/preview": {"variables": {"name": "Ada", "link": "x"}},
        "/templates/welcome/test-send": {
            "user_id": str(user.pk),
            "variables": {"name": "Ada", "link": "x"},
        },
    }
    return caller.generic(
        method,
        filled,
        data=json.dumps(bodies[path]) if method == "POST" and path in bodies else "",
        content_type="application/json",
    )


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS_AND_SCOPES)
def test_without_a_credential_it_is_a_401(
    alice: User, method: str, path: str, scope: Scope
) -> None:
    row = accepted(alice)
    answer = call(APIClient(raise_request_exception=False), method, path, alice, row)
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Api-Key")
    assert Notification.objects.count() == 1


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS_AND_SCOPES)
def test_a_key_without_the_required_scope_is_a_403(
    alice: User, method: str, path: str, scope: Scope
) -> None:
    row = accepted(alice)
    others = client_with(*(set(Scope) - {scope}))
    assert_problem(call(others, method, path, alice, row), 403)
    assert Notification.objects.count() == 1
    assert User.objects.filter(erased_at=None).count() == 1


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS_AND_SCOPES)
def test_a_key_with_the_required_scope_alone_is_allowed(
    alice: User, method: str, path: str, scope: Scope
) -> None:
    row = accepted(alice)
    answer = call(client_with(scope), method, path, alice, row)
    assert answer.status_code in {200, 202, 204, 409}


@pytest.mark.parametrize("header", ["Api-Key", "Bearer"])
def test_a_wrong_credential_is_a_401(alice: User, header: str) -> None:
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"{header} nonsense")
    assert_problem(caller.get(f"{V1}/notifications/"), 401)


ONE = [("GET", ""), ("GET", "/status"), ("POST", "/cancel"), ("POST", "/replay")]


@pytest.mark.parametrize(("method", "path"), ONE)
@pytest.mark.parametrize(
    "other",
    [
        {"client": "forum"},
        {"client": "shop", "kind": Kind.TEST},
    ],
)
def test_someone_elses_notification_is_a_404(
    alice: User, method: str, path: str, other: dict[str, Any]
) -> None:
    row = accepted(alice)
    answer = client_with(SEND, READ, **other).generic(method, f"{V1}/notifications/{row.pk}{path}")
    assert_problem(answer, 404)
    row.refresh_from_db()
    assert row.status == Status.PENDING
    assert Notification.objects.count() == 1


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["results"]]


def test_lists_show_a_client_only_its_own_notifications_of_its_kind(alice: User) -> None:
    live = accepted(alice)
    rehearsed = accepted(alice, caller=TEST_CALLER)
    forum = accepted(alice, caller=Caller(client="forum"))
    path = f"{V1}/notifications/"
    assert ids(client_with(READ, client="shop").get(path)) == [str(live.pk)]
    assert ids(client_with(READ, client="shop", kind=Kind.TEST).get(path)) == [str(rehearsed.pk)]
    assert ids(client_with(READ, client="forum").get(path)) == [str(forum.pk)]
    assert ids(client_with(READ, OPERATIONS, client="desk").get(path)) == [
        str(forum.pk),
        str(live.pk),
    ]


def logged_in(user: User) -> APIClient:
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access}")
    return caller


def test_an_end_user_reads_only_their_own_notifications(alice: User, bob: User) -> None:
    mine, theirs = accepted(alice), accepted(bob)
    caller = logged_in(alice)
    assert ids(caller.get(f"{V1}/notifications/")) == [str(mine.pk)]
    assert caller.get(f"{V1}/notifications/{mine.pk}").status_code == 200
    assert caller.get(f"{V1}/notifications/{mine.pk}/status").status_code == 200
    assert_problem(caller.get(f"{V1}/notifications/{theirs.pk}"), 404)
    assert_problem(caller.get(f"{V1}/notifications/{theirs.pk}/status"), 404)
    assert ids(caller.get(f"{V1}/notifications/?user_id={bob.pk}")) == []


def test_an_end_user_cannot_send_cancel_or_operate(alice: User) -> None:
    row = accepted(alice)
    caller = logged_in(alice)
    for method, path, scope in OPERATIONS_AND_SCOPES:
        if scope in {SEND, OPERATIONS}:
            assert_problem(call(caller, method, path, alice, row), 403)
    row.refresh_from_db()
    assert (row.status, Notification.objects.count()) == (Status.PENDING, 1)


def staff(*permissions: str) -> APIClient:
    user = person(f"staff{uuid4().hex[:6]}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    caller = APIClient(raise_request_exception=False)
    caller.force_login(user)
    return caller


def test_staff_may_do_what_their_permissions_allow(alice: User) -> None:
    row = accepted(alice, caller=Caller(client="forum", kind=Kind.TEST))
    path = f"{V1}/notifications/"
    assert_problem(staff().post(path, body(alice), format="json"), 403)
    assert_problem(staff().get(f"{path}{row.pk}"), 404)
    assert ids(staff().get(path)) == []
    assert ids(staff("view_notification").get(path)) == [str(row.pk)]
    assert_problem(staff("view_notification").post(f"{path}{row.pk}/cancel"), 403)
    may = staff("view_notification", "change_notification")
    assert may.post(f"{path}{row.pk}/cancel").status_code == 200
    assert_problem(staff("view_notification").get(f"{V1}/services/"), 403)
    assert staff("view_heartbeat").get(f"{V1}/services/").status_code == 200


def test_staff_who_send_without_a_client_are_recorded_as_themselves(alice: User) -> None:
    caller = staff("add_notification", "view_notification")
    answer = caller.post(f"{V1}/notifications/", body(alice), format="json")
    assert answer.status_code == 202
    row = Notification.objects.get()
    sender = User.objects.get(is_staff=True)
    assert (row.client, row.kind) == (f"staff:{sender.pk}", "live")


def test_a_replay_keeps_client_and_kind_of_the_original(alice: User) -> None:
    row = accepted(alice, caller=Caller(client="forum", kind=Kind.TEST))
    Notification.objects.update(status=Status.FAILED)
    caller = staff("add_notification", "view_notification")
    answer = caller.post(f"{V1}/notifications/{row.pk}/replay")
    assert answer.status_code == 202
    new = Notification.objects.get(pk=answer.json()["id"])
    assert (new.client, new.kind) == ("forum", "test")
