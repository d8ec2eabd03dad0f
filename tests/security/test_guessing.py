"""Secrets cannot be found by guessing or by measuring response times."""

import time
from collections.abc import Callable
from functools import partial
from hmac import compare_digest
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.users import api_keys, password_resets
from apps.users.models import ApiKey, User
from tests.users.conftest import FAST_HASHERS, PASSWORD, Rate, make

pytestmark = pytest.mark.django_db

LOGIN = "/api/v1/users/login"
# Slow enough to dominate the response time, fast enough for a test.
ITERATIONS = 120_000


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = FAST_HASHERS


@pytest.fixture
def slow_hashes(quick_hashes: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    settings.RATE_LIMIT_LOGIN = Rate(calls=1000, seconds=60)
    monkeypatch.setattr(hashers.PBKDF2PasswordHasher, "iterations", ITERATIONS)


def quickest(act: Callable[[], Any], *, times: int = 5) -> float:
    """Return the least CPU time of a few runs, in seconds, so that other load does not count."""
    found = []
    for _ in range(times):
        began = time.process_time()
        act()
        found.append(time.process_time() - began)
    return min(found)


def by_token(email: str) -> Any:
    return APIClient().post(LOGIN, {"email": email, "password": "wrong"}, format="json")


def by_page(email: str) -> Any:
    return Client().post("/admin/login/", {"username": email, "password": "wrong"})


@pytest.mark.parametrize("login", [by_token, by_page])
def test_an_unknown_address_takes_as_long_as_a_wrong_password(
    slow_hashes: None, login: Callable[[str], Any]
) -> None:
    make("alice")
    User.objects.create_user(name="Keyless", email="keyless@example.com")
    make("gone", is_active=False)
    names = ("alice", "nobody", "keyless", "gone")
    taken = {name: quickest(partial(login, f"{name}@example.com")) for name in names}
    assert max(taken.values()) < 1.8 * min(taken.values()), taken


def test_the_secret_of_a_key_is_in_no_query_and_compared_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[str, str]] = []

    def watched(kept: str, given: str) -> bool:
        compared.append((kept, given))
        return compare_digest(kept, given)

    monkeypatch.setattr(api_keys, "compare_digest", watched)
    row, plain = api_keys.create(name="shop")
    secret = plain.rpartition("_")[2]
    wrong = plain[:-1] + ("a" if plain[-1] != "a" else "b")
    api_keys.revoke(key_id=row.pk)
    with CaptureQueriesContext(connection) as queries:
        for key in (plain, wrong):
            assert api_keys.verify(key) is None
    assert [kept for kept, _ in compared] == [row.secret_hash] * 2
    asked = " ".join(query["sql"] for query in queries)
    assert row.prefix in asked
    assert secret not in asked
    assert row.secret_hash not in asked
    assert secret not in str(ApiKey.objects.values_list()[0])


def test_a_key_has_too_many_possible_secrets_to_guess() -> None:
    letters = len(api_keys.SECRET_ALPHABET) ** api_keys.SECRET_LENGTH
    assert letters > 2**255
    made = {api_keys.create(name="shop")[1] for _ in range(20)}
    assert len(made) == 20


@pytest.mark.parametrize("wrong", ["{prefix}", "{prefix}_", "{prefix}_" + "a" * 43, "{prefix}_%"])
def test_a_part_of_a_key_is_refused(wrong: str) -> None:
    row, _ = api_keys.create(name="shop")
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Api-Key {wrong.format(prefix=row.prefix)}")
    assert caller.get("/api/v1/notifications/").status_code == 401


def test_login_attempts_from_other_addresses_count_for_the_same_account(settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=3, seconds=60)
    make("alice", password=None)
    answers = [
        APIClient().post(
            LOGIN,
            {"email": spelling, "password": "wrong"},
            format="json",
            REMOTE_ADDR=f"192.0.2.{place}",
        )
        for place, spelling in enumerate(
            ["alice@example.com", "ALICE@example.com", " alice@EXAMPLE.com", "alice@example.com"]
        )
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_a_forged_forwarded_address_does_not_avoid_the_limit(settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=3, seconds=60)
    settings.TRUSTED_PROXIES = []
    answers = [
        APIClient().post(
            LOGIN,
            {"email": f"user{place}@example.com", "password": "wrong"},
            format="json",
            HTTP_X_FORWARDED_FOR=f"192.0.2.{place}",
        )
        for place in range(4)
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_a_reset_link_is_void_after_any_change_and_for_other_accounts(settings: Any) -> None:
    alice, bob = make("alice"), make("bob")
    token = password_resets.make_token(alice)
    _, _, rest = token.partition(".")
    caller = APIClient()
    path = "/api/v1/users/password/reset/confirm"
    new = "a new and rather long one"
    for wrong in (f"{bob.pk.hex}.{rest}", rest, f"{alice.pk.hex}.", token[:-1], f"{token}x"):
        answer = caller.post(path, {"token": wrong, "password": new}, format="json")
        assert answer.status_code == 400, wrong
    alice.set_password(PASSWORD)
    alice.save()
    answer = caller.post(path, {"token": token, "password": new}, format="json")
    assert answer.status_code == 400
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)
