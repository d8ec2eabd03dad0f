"""Reading and changing profiles, and who may do so."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.users.models import Device, User
from tests.users.conftest import PASSWORD, Rate, logged_in, make


def url(user: User) -> str:
    return f"/api/v1/users/{user.pk}"


def staff_with(*codenames: str) -> APIClient:
    staff = make("dora", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return logged_in("dora@example.com")


def test_a_user_reads_and_changes_their_own_profile(alice: User) -> None:
    caller = logged_in("alice@example.com")
    assert caller.get(f"{url(alice)}/").json()["name"] == "Alice"
    answer = caller.patch(url(alice), {"name": "Alice Liddell", "locale": "de"}, format="json")
    assert answer.status_code == 200
    assert answer.json()["name"] == "Alice Liddell"
    assert answer.json()["locale"] == "de"


@pytest.mark.parametrize("method", ["get", "put", "patch"])
def test_the_profile_of_another_user_is_a_404(alice: User, bob: User, method: str) -> None:
    caller = logged_in("bob@example.com")
    answer = getattr(caller, method)(
        url(alice), {"name": "Mallory", "email": "m@example.com"}, format="json"
    )
    assert answer.status_code == 404
    alice.refresh_from_db()
    assert alice.name == "Alice"


def test_a_user_lists_only_themselves(alice: User, bob: User) -> None:
    page = logged_in("bob@example.com").get("/api/v1/users/").json()
    assert [user["id"] for user in page["results"]] == [str(bob.pk)]


def test_staff_with_the_permission_see_a_profile(alice: User) -> None:
    assert staff_with("view_user").get(url(alice)).status_code == 200


def test_staff_without_the_permission_see_themselves_only(alice: User) -> None:
    caller = staff_with()
    assert caller.get(url(alice)).status_code == 404
    assert caller.get(url(User.objects.get(name="Dora"))).status_code == 200


def test_staff_with_the_view_permission_change_nothing(alice: User) -> None:
    answer = staff_with("view_user").patch(url(alice), {"name": "x"}, format="json")
    assert answer.status_code == 404
    alice.refresh_from_db()
    assert alice.name == "Alice"


def test_a_key_needs_the_scope(alice: User, key_client: Callable[..., APIClient]) -> None:
    assert key_client(Scope.USERS_WRITE).get(url(alice)).status_code == 403
    assert key_client(Scope.USERS_READ).get(url(alice)).status_code == 200
    assert key_client(Scope.USERS_READ).patch(url(alice), {}, format="json").status_code == 403


def test_a_key_changes_everything_without_the_current_password(
    alice: User, shop: APIClient
) -> None:
    answer = shop.patch(
        url(alice),
        {
            "email": "new@example.com",
            "password": "another long passphrase",
            "external_id": "7",
            "preferences": {"push": False},
            "push_token": "token-1",
        },
        format="json",
    )
    assert answer.status_code == 200
    assert answer.json()["email"] == "new@example.com"
    assert answer.json()["email_confirmed"] is True
    assert answer.json()["external_id"] == "7"
    assert answer.json()["preferences"] == {"email": True, "push": False}
    assert Device.objects.get().user_id == alice.pk
    logged_in("new@example.com", "another long passphrase")


def test_put_replaces_the_profile_and_keeps_the_rest(alice: User, shop: APIClient) -> None:
    shop.patch(url(alice), {"locale": "fr", "external_id": "7"}, format="json")
    shop.patch(url(alice), {"preferences": {"push": False}}, format="json")
    answer = shop.put(url(alice), {"name": "A", "email": "alice@example.com"}, format="json")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["name"], body["locale"], body["external_id"]) == ("A", "en", None)
    assert body["preferences"] == {"email": True, "push": False}
    assert shop.put(url(alice), {"name": "A"}, format="json").status_code == 400


def test_each_client_sees_its_own_external_id(
    alice: User, shop: APIClient, key_client: Callable[..., APIClient]
) -> None:
    bank = key_client(client="bank")
    shop.patch(url(alice), {"external_id": "shop-7"}, format="json")
    bank.patch(url(alice), {"external_id": "bank-7"}, format="json")
    assert shop.get(url(alice)).json()["external_id"] == "shop-7"
    assert bank.get(url(alice)).json()["external_id"] == "bank-7"
    found = shop.get("/api/v1/users/?external_id=bank-7").json()
    assert found["results"] == []
    operator = key_client(Scope.OPERATIONS, Scope.USERS_READ, client="ops")
    found = operator.get("/api/v1/users/?external_id=bank-7").json()
    assert [user["id"] for user in found["results"]] == [str(alice.pk)]


def test_a_user_is_found_by_address_in_any_case(alice: User, bob: User, shop: APIClient) -> None:
    page = shop.get("/api/v1/users/?email=ALICE@EXAMPLE.com").json()
    assert [user["id"] for user in page["results"]] == [str(alice.pk)]
    assert shop.get("/api/v1/users?email=nobody@example.com").json()["results"] == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("email=nobody", "?email"),
        ("emial=alice@example.com", "?emial"),
        ("cursor=x", "?cursor"),
        ("page_size=0", "?page_size"),
        ("external_id=", "?external_id"),
    ],
)
def test_a_bad_query_is_named(shop: APIClient, query: str, pointer: str) -> None:
    answer = shop.get(f"/api/v1/users/?{query}")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_the_list_is_paginated_newest_first(shop: APIClient) -> None:
    made = [str(make(f"user{number}").pk) for number in range(5)]
    first = shop.get("/api/v1/users/?page_size=3").json()
    second = shop.get(first["next"]).json()
    found = [user["id"] for page in (first, second) for user in page["results"]]
    assert found == list(reversed(made))
    assert second["next"] is None


def test_a_page_takes_a_constant_number_of_queries(
    shop: APIClient, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        make(f"user{number}")
    shop.get("/api/v1/users/")
    with django_assert_num_queries(2):  # The users, their external ids; the key is cached.
        assert len(shop.get("/api/v1/users/").json()["results"]) == 5


@pytest.mark.parametrize("change", [{"email": "new@example.com"}, {"password": "a new passphrase"}])
def test_credentials_need_the_current_password(alice: User, change: dict[str, str]) -> None:
    caller = logged_in("alice@example.com")
    for current in ({}, {"current_password": "wrong"}):
        answer = caller.patch(url(alice), {**change, **current}, format="json")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/current_password"
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    assert alice.check_password(PASSWORD)
    current = {"current_password": PASSWORD}
    assert caller.patch(url(alice), {**change, **current}, format="json").status_code == 200


def test_guessing_the_current_password_is_limited(alice: User, settings: Any) -> None:
    caller = logged_in("alice@example.com")
    settings.RATE_LIMIT_LOGIN = Rate(calls=2, seconds=3600)
    body = {"password": "a new passphrase", "current_password": "wrong"}
    codes = [caller.patch(url(alice), body, format="json").status_code for _ in range(3)]
    assert codes == [400, 400, 429]


def test_an_unchanged_address_needs_no_password(alice: User) -> None:
    body = {"name": "Alice L.", "email": "alice@example.com"}
    answer = logged_in("alice@example.com").put(url(alice), body, format="json")
    assert answer.status_code == 200


def test_an_address_that_is_taken_is_a_conflict(alice: User, bob: User, shop: APIClient) -> None:
    answer = shop.patch(url(alice), {"email": "BOB@example.com"}, format="json")
    assert answer.status_code == 409
    assert answer.json()["code"] == "duplicate_email"
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_a_user_cannot_set_an_external_id(alice: User) -> None:
    answer = logged_in("alice@example.com").patch(url(alice), {"external_id": "1"}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/external_id"


def test_a_key_cannot_change_an_administrator(charlie: User, shop: APIClient) -> None:
    answer = shop.patch(url(charlie), {"password": "a new passphrase"}, format="json")
    assert answer.status_code == 403
    charlie.refresh_from_db()
    assert charlie.check_password(PASSWORD)


def test_staff_cannot_change_other_staff_unless_superuser(charlie: User) -> None:
    caller = staff_with("view_user", "change_user")
    assert caller.patch(url(charlie), {"email": "x@example.com"}, format="json").status_code == 403
    dora = User.objects.get(name="Dora")
    superuser = logged_in("charlie@example.com")
    assert superuser.patch(url(dora), {"name": "Dora B"}, format="json").status_code == 200


def test_a_session_of_staff_works_only_with_a_csrf_token(alice: User, charlie: User) -> None:
    caller = APIClient(enforce_csrf_checks=True)
    caller.force_login(charlie)
    assert caller.get(url(alice)).status_code == 200
    assert caller.patch(url(alice), {"name": "x"}, format="json").status_code == 403


def test_a_session_of_an_end_user_is_ignored(alice: User) -> None:
    caller = APIClient()
    caller.force_login(alice)
    assert caller.get(url(alice)).status_code == 401


def test_the_browsable_form_is_prefilled_with_the_example(charlie: User) -> None:
    caller = APIClient()
    caller.force_login(charlie)
    page = caller.get("/api/v1/users/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert b"correct horse battery staple" in page.content
