"""Registration of accounts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.users import api_keys
from apps.users.models import Device, ExternalId, User
from tests.users.conftest import PASSWORD, Rate, logged_in

ADA = {"name": "Ada Lovelace", "email": "Ada@Example.com"}


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]


def test_a_client_can_create_a_user_with_all_fields(shop: APIClient) -> None:
    answer = shop.post(
        "/api/v1/users/",
        {
            **ADA,
            "password": PASSWORD,
            "push_token": "token-1",
            "preferences": {"email": True, "push": False},
            "locale": "pt-br",
            "timezone": "Africa/Lagos",
            "external_id": "customer-1",
        },
        format="json",
    )
    assert answer.status_code == 201
    body = answer.json()
    user = User.objects.get()
    assert body == {
        "id": str(user.pk),
        "name": "Ada Lovelace",
        "email": "Ada@Example.com",
        "email_confirmed": True,
        "pending_email": None,
        "locale": "pt-BR",
        "timezone": "Africa/Lagos",
        "external_id": "customer-1",
        "preferences": {"email": True, "push": False},
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }
    assert UUID(body["id"]).version == 7
    assert user.check_password(PASSWORD)
    assert [device.token for device in Device.objects.filter(user=user)] == ["token-1"]


def test_name_and_address_are_enough(shop: APIClient) -> None:
    answer = shop.post("/api/v1/users", ADA, format="json")
    assert answer.status_code == 201
    assert answer.json()["locale"] == "en"
    assert answer.json()["timezone"] == "UTC"
    assert answer.json()["preferences"] == {"email": True, "push": True}
    assert not User.objects.get().has_usable_password()


def test_optional_values_may_be_null(shop: APIClient) -> None:
    nothing = {"password": None, "push_token": None, "external_id": None}
    answer = shop.post("/api/v1/users/", {**ADA, **nothing}, format="json")
    assert answer.status_code == 201
    assert Device.objects.count() == 0
    assert ExternalId.objects.count() == 0


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": 7}, "/name"),
        ({"email": "nobody"}, "/email"),
        ({"email": "a@b@example.com"}, "/email"),
        ({"email": None}, "/email"),
        ({"email": f"{'a' * 65}@example.com"}, "/email"),
        ({"password": "12345678"}, "/password"),
        ({"password": "x" * 300}, "/password"),
        ({"locale": "en_US"}, "/locale"),
        ({"locale": "english"}, "/locale"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"preferences": {"email": "yes"}}, "/preferences/email"),
        ({"preferences": {"sms": True}}, "/preferences/sms"),
        ({"preferences": True}, "/preferences"),
        ({"push_token": "two words"}, "/push_token"),
        ({"push_token": "x" * 2049}, "/push_token"),
        ({"platform": "ios"}, "/platform"),
        ({"push_token": "t", "platform": "symbian"}, "/platform"),
        ({"external_id": ""}, "/external_id"),
        ({"is_staff": True}, "/is_staff"),
        ({"id": "0197b2f0-5a4e-7c3d-9f1e-2b7a6c5d4e3f"}, "/id"),
    ],
)
def test_bad_values_are_named_and_nothing_is_stored(
    shop: APIClient, change: dict[str, Any], pointer: str
) -> None:
    answer = shop.post("/api/v1/users/", {**ADA, **change}, format="json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert set(pointers(answer)) == {pointer}
    assert User.objects.count() == 0


@pytest.mark.parametrize(
    "email",
    ["a@example.com", "b@shop.test", "root@localhost", "c@mail.localhost", "d+tag@bücher.example"],
)
def test_addresses_for_tests_are_accepted(shop: APIClient, email: str) -> None:
    answer = shop.post("/api/v1/users/", {"name": "Ada", "email": f" {email} "}, format="json")
    assert answer.status_code == 201
    assert answer.json()["email"] == email


@pytest.mark.parametrize("spelling", ["Ada@Example.com", "ADA@EXAMPLE.COM", " ada@example.com"])
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_an_address_is_unique_in_any_spelling(
    shop: APIClient, spelling: str, password: str | None
) -> None:
    shop.post("/api/v1/users/", ADA, format="json")
    body = {"name": "Imposter", "email": spelling, "password": password, "push_token": "t"}
    answer = shop.post("/api/v1/users/", body, format="json")
    assert answer.status_code == 409
    assert answer.json()["code"] == "duplicate_email"
    assert pointers(answer) == ["/email"]
    assert User.objects.count() == 1
    assert Device.objects.count() == 0


def test_an_external_id_is_unique_for_its_client(
    shop: APIClient, key_client: Callable[..., APIClient]
) -> None:
    shop.post("/api/v1/users/", {**ADA, "external_id": "7"}, format="json")
    other = {"name": "Bob", "email": "bob@example.com", "external_id": "7"}
    answer = shop.post("/api/v1/users/", other, format="json")
    assert answer.status_code == 409
    assert answer.json()["code"] == "duplicate_external_id"
    assert User.objects.count() == 1

    answer = key_client(client="bank").post("/api/v1/users/", other, format="json")
    assert answer.status_code == 201
    assert answer.json()["external_id"] == "7"


def test_a_key_needs_the_scope_to_write(key_client: Callable[..., APIClient]) -> None:
    answer = key_client(Scope.USERS_READ).post("/api/v1/users/", ADA, format="json")
    assert answer.status_code == 403
    assert User.objects.count() == 0


@pytest.mark.django_db
def test_an_unauthenticated_caller_is_refused_where_registration_is_closed() -> None:
    answer = APIClient().post("/api/v1/users/", ADA, format="json")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Api-Key realm="api", Bearer realm="api"'
    assert User.objects.count() == 0


@pytest.mark.django_db
def test_an_unauthenticated_caller_may_register_where_registration_is_open(settings: Any) -> None:
    settings.OPEN_REGISTRATION = True
    answer = APIClient().post("/api/v1/users/", {**ADA, "password": PASSWORD}, format="json")
    assert answer.status_code == 201
    assert answer.json()["email_confirmed"] is True
    assert answer["RateLimit"].startswith('"registration";r=999;t=')


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["push_token", "external_id"])
def test_an_unauthenticated_caller_cannot_register_a_device_or_an_external_id(
    settings: Any, field: str
) -> None:
    settings.OPEN_REGISTRATION = True
    answer = APIClient().post("/api/v1/users/", {**ADA, field: "x"}, format="json")
    assert answer.status_code == 400
    assert pointers(answer) == [f"/{field}"]
    assert User.objects.count() == 0


@pytest.mark.django_db
def test_registrations_are_rate_limited_by_address(settings: Any) -> None:
    settings.OPEN_REGISTRATION = True
    settings.RATE_LIMIT_LOGIN = Rate(calls=2, seconds=3600)
    stranger = APIClient()
    codes = [
        stranger.post(
            "/api/v1/users/", {"name": "x", "email": f"{number}@example.com"}, format="json"
        ).status_code
        for number in range(3)
    ]
    assert codes == [201, 201, 429]
    assert User.objects.count() == 2


def test_a_logged_in_user_cannot_register_others(settings: Any, alice: User) -> None:
    settings.OPEN_REGISTRATION = True
    answer = logged_in(alice.email or "").post("/api/v1/users/", ADA, format="json")
    assert answer.status_code == 403
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_registrations_one_succeeds_and_the_others_are_conflicts() -> None:
    _, plain = api_keys.create(name="shop")

    def register(number: int) -> int:
        caller = APIClient()
        try:
            return caller.post(
                "/api/v1/users/",
                {
                    "name": f"Ada {number}",
                    "email": "ADA@example.com" if number % 2 else ADA["email"],
                },
                format="json",
                headers={"X-API-Key": plain},
            ).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(register, range(8)))
    assert codes == [201, *[409] * 7]
    assert User.objects.count() == 1
