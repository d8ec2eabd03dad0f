"""API keys: creation, authentication, rotation and revocation."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.users import api_keys
from apps.users.models import ApiKey

USERS = "/api/v1/users/"

pytestmark = pytest.mark.django_db


def status_with(**headers: str) -> int:
    return int(APIClient().get(USERS, headers=headers).status_code)


def test_a_key_is_shown_once_and_stored_as_a_hash() -> None:
    api_key, plain = api_keys.create(name="Shop", scopes=[Scope.USERS_READ])
    assert plain.startswith(f"{api_key.prefix}_")
    assert api_key.prefix.startswith("nk_live_")
    assert len(plain) == 60
    stored = ApiKey.objects.values().get()
    assert plain not in str(stored)
    assert stored["client"] == "Shop"
    assert stored["scopes"] == ["users:read"]


def test_a_key_created_without_scopes_has_all_of_them() -> None:
    _, plain = api_keys.create(name="Shop", client="shop", kind=Kind.TEST)
    caller = api_keys.verify(plain)
    assert caller is not None
    assert (caller.client, caller.kind, caller.scopes) == ("shop", Kind.TEST, frozenset(Scope))
    assert caller.user_id is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": " "},
        {"name": "x" * 101},
        {"name": "shop", "client": "staff:1"},
        {"name": "shop", "client": "system"},
        {"name": "shop", "client": "a\nb"},
        {"name": "shop", "scopes": []},
        {"name": "shop", "scopes": ["everything"]},
    ],
)
def test_a_key_with_invalid_arguments_is_not_created(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        api_keys.create(**arguments)
    assert ApiKey.objects.count() == 0


def test_both_headers_are_accepted() -> None:
    _, plain = api_keys.create(name="shop")
    assert status_with(Authorization=f"Api-Key {plain}") == 200
    assert status_with(Authorization=f"api-key   {plain} ") == 200
    assert status_with(**{"X-API-Key": plain}) == 200
    assert status_with(**{"X-API-Key": plain, "Authorization": f"Api-Key {plain}"}) == 200


def test_two_different_keys_are_refused() -> None:
    _, one = api_keys.create(name="shop")
    _, other = api_keys.create(name="bank")
    assert status_with(**{"X-API-Key": one, "Authorization": f"Api-Key {other}"}) == 401


@pytest.mark.parametrize("key", ["", "x", "nk_live_00000000_" + "a" * 43, "nk_live_é" + "a" * 50])
def test_an_unknown_key_is_refused_with_a_challenge(key: str) -> None:
    answer = APIClient().get(USERS, HTTP_X_API_KEY=key)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Api-Key realm="api", Bearer realm="api"'


def test_the_right_prefix_with_a_wrong_secret_is_refused() -> None:
    api_key, plain = api_keys.create(name="shop")
    wrong = f"{api_key.prefix}_{'a' * 43}"
    assert wrong != plain
    assert status_with(**{"X-API-Key": wrong}) == 401


def test_an_expired_key_is_refused() -> None:
    soon = timezone.now() + timedelta(seconds=30)
    api_key, plain = api_keys.create(name="shop", expires_at=soon)
    assert status_with(**{"X-API-Key": plain}) == 200
    ApiKey.objects.filter(pk=api_key.pk).update(expires_at=timezone.now())
    api_keys._recent.clear()
    assert status_with(**{"X-API-Key": plain}) == 401


def test_a_revoked_key_is_refused_at_once_in_the_same_process() -> None:
    api_key, plain = api_keys.create(name="shop")
    assert status_with(**{"X-API-Key": plain}) == 200
    api_keys.revoke(key_id=api_key.pk)
    assert status_with(**{"X-API-Key": plain}) == 401


def test_a_rotation_keeps_the_client_and_lets_the_old_key_expire() -> None:
    old, old_plain = api_keys.create(
        name="Shop", client="shop", kind=Kind.TEST, scopes=[Scope.USERS_READ]
    )
    new, new_plain = api_keys.rotate(key_id=old.pk, overlap=timedelta(hours=1))
    assert (new.client, new.kind, new.scopes) == ("shop", "test", ["users:read"])
    assert new.expires_at is None
    assert status_with(**{"X-API-Key": old_plain}) == 200
    assert status_with(**{"X-API-Key": new_plain}) == 200
    old.refresh_from_db()
    assert old.expires_at is not None
    assert timedelta(minutes=59) < old.expires_at - timezone.now() <= timedelta(hours=1)


def test_the_time_of_use_is_written_once_a_minute(django_assert_num_queries: Any) -> None:
    api_key, plain = api_keys.create(name="shop")
    with django_assert_num_queries(2):  # The look-up and the update of the time of use.
        api_keys.verify(plain)
    with django_assert_num_queries(0):
        api_keys.verify(plain)
    api_key.refresh_from_db()
    assert api_key.last_used_at is not None
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    api_keys._recent.clear()
    with django_assert_num_queries(2):
        api_keys.verify(plain)
