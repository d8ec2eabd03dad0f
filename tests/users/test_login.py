"""Login, refresh and logout."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.db import connection
from rest_framework.test import APIClient
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken
from structlog.testing import capture_logs

from apps.users import passwords, tokens
from apps.users.models import User
from tests.users.conftest import PASSWORD, Rate, logged_in, make

LOGIN = "/api/v1/users/login"
REFRESH = "/api/v1/users/token/refresh"
LOGOUT = "/api/v1/users/logout"


def post(path: str, **body: Any) -> Any:
    return APIClient().post(path, body, format="json")


def test_login_returns_tokens_and_the_user(alice: User) -> None:
    answer = post(LOGIN, email="ALICE@example.com", password=PASSWORD)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"access", "refresh", "token_type", "expires_in", "user"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900
    assert body["user"]["id"] == str(alice.pk)
    assert "password" not in body["user"]
    assert answer["RateLimit-Policy"] == '"login";q=1000;w=60'
    alice.refresh_from_db()
    assert alice.last_login is not None
    assert OutstandingToken.objects.get().token == ""


def test_every_refusal_looks_the_same(alice: User, bob: User) -> None:
    bob.is_active = False
    bob.save()
    User.objects.create_user(name="Keyless", email="keyless@example.com")
    answers = [
        post(LOGIN, email="alice@example.com", password="wrong"),
        post(LOGIN, email="nobody@example.com", password="wrong"),
        post(LOGIN, email="not an address", password="wrong"),
        post(LOGIN, email="bob@example.com", password=PASSWORD),
        post(LOGIN, email="keyless@example.com", password="!"),
    ]
    bodies = [{**answer.json(), "correlation_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401] * 5
    assert [answer["WWW-Authenticate"] for answer in answers] == ['Bearer realm="api"'] * 5
    assert bodies == [bodies[0]] * 5
    assert bodies[0]["code"] == "invalid_credentials"
    assert OutstandingToken.objects.count() == 0


@pytest.mark.parametrize(
    "email", ["alice@example.com", "nobody@example.com", "keyless@example.com"]
)
def test_every_refusal_costs_one_hash(
    alice: User, email: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    alice.set_password(PASSWORD)
    alice.save()
    User.objects.create_user(name="Keyless", email="keyless@example.com")
    counted: list[str] = []
    original = hashers.PBKDF2PasswordHasher.encode

    def counting(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
        counted.append(salt)
        return str(original(self, password, salt, iterations))

    monkeypatch.setattr(hashers.PBKDF2PasswordHasher, "encode", counting)
    assert post(LOGIN, email=email, password="wrong").status_code == 401
    assert len(counted) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@example.com"},
        {"email": 1, "password": "x"},
        {"email": "a@example.com", "password": ["x"]},
        {"email": "a@example.com", "password": "x", "otp": "1"},
    ],
)
def test_a_malformed_login_is_a_400(body: dict[str, Any]) -> None:
    assert post(LOGIN, **body).status_code == 400


def test_logins_are_limited_by_account(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=3, seconds=3600)
    for number, email in enumerate(["alice@example.com", "ALICE@example.com", "alice@Example.com"]):
        answer = APIClient(REMOTE_ADDR=f"192.0.2.{number}").post(
            LOGIN, {"email": email, "password": "wrong"}, format="json"
        )
        assert answer.status_code == 401
        assert answer["RateLimit"].startswith(f'"login";r={2 - number};t=')
    answer = APIClient(REMOTE_ADDR="192.0.2.9").post(
        LOGIN, {"email": "alice@example.com", "password": PASSWORD}, format="json"
    )
    assert answer.status_code == 429
    assert answer["RateLimit-Policy"] == '"login";q=3;w=3600'
    assert answer["RateLimit"] == f'"login";r=0;t={answer["Retry-After"]}'
    assert OutstandingToken.objects.count() == 0


def test_logins_are_limited_by_address(alice: User, settings: Any) -> None:
    settings.RATE_LIMIT_LOGIN = Rate(calls=3, seconds=3600)
    codes = [
        post(LOGIN, email=f"{number}@example.com", password="wrong").status_code
        for number in range(3)
    ]
    assert codes == [401, 401, 401]
    assert post(LOGIN, email="alice@example.com", password=PASSWORD).status_code == 429


@pytest.mark.django_db
def test_untrusted_logins_beyond_the_hashing_slots_are_a_503(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with passwords._slot(trusted=False), passwords._slot(trusted=False):
        monkeypatch.setattr(passwords, "ANONYMOUS_WAIT_SECONDS", 0.01)
        answer = post(LOGIN, email="alice@example.com", password="wrong")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert post(LOGIN, email="alice@example.com", password="wrong").status_code == 401


def test_a_refresh_token_can_be_used_once(alice: User) -> None:
    first = post(LOGIN, email="alice@example.com", password=PASSWORD).json()
    answer = post(REFRESH, refresh=first["refresh"])
    assert answer.status_code == 200
    assert set(answer.json()) == {"access", "refresh", "token_type", "expires_in"}
    again = post(REFRESH, refresh=first["refresh"])
    assert again.status_code == 401
    assert again.json()["code"] == "invalid_token"


def refreshed(refresh: str) -> str:
    answer = post(REFRESH, refresh=refresh)
    assert answer.status_code == 200
    return str(answer.json()["refresh"])


@pytest.mark.parametrize("uses_before", [0, 1, 3])
def test_a_second_use_of_a_refresh_token_revokes_its_whole_family(
    alice: User, uses_before: int
) -> None:
    other = post(LOGIN, email="alice@example.com", password=PASSWORD).json()["refresh"]
    stolen = post(LOGIN, email="alice@example.com", password=PASSWORD).json()["refresh"]
    for _ in range(uses_before):
        stolen = refreshed(stolen)
    newest = refreshed(refreshed(stolen))
    with capture_logs() as lines:
        assert post(REFRESH, refresh=stolen).status_code == 401
    assert [line for line in lines if "used twice" in line["event"]] == [
        {
            "event": "a refresh token was used twice: its family is revoked",
            "user_id": str(alice.pk),
            "log_level": "warning",
        }
    ]
    assert post(REFRESH, refresh=newest).status_code == 401
    # Another browser of the same user, and a new login, have token families of their own.
    assert refreshed(other)
    again = post(LOGIN, email="alice@example.com", password=PASSWORD).json()["refresh"]
    assert refreshed(refreshed(again))


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_uses_one_succeeds_and_the_other_revokes_the_family() -> None:
    make("alice")
    for _ in range(10):
        given = post(LOGIN, email="alice@example.com", password=PASSWORD).json()["refresh"]
        together = Barrier(2)

        def use(_: int, refresh: str = given, together: Barrier = together) -> Any:
            try:
                together.wait()
                return post(REFRESH, refresh=refresh)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            won, lost = sorted(pool.map(use, range(2)), key=lambda answer: answer.status_code)
        assert (won.status_code, lost.status_code) == (200, 401)
        assert post(REFRESH, refresh=won.json()["refresh"]).status_code == 401


def test_a_refresh_token_without_a_family_begins_one(alice: User) -> None:
    first = refreshed(tokens.issue(alice).refresh)
    (_, own, _) = (part + "==" for part in first.split("."))
    assert json.loads(base64.urlsafe_b64decode(own))["jti"].count("-") == 1
    assert post(REFRESH, refresh=refreshed(first)).status_code == 200


def test_the_mark_of_a_revoked_family_expires_after_its_tokens(alice: User) -> None:
    given = post(LOGIN, email="alice@example.com", password=PASSWORD).json()["refresh"]
    newest = refreshed(given)
    assert post(REFRESH, refresh=given).status_code == 401
    mark = OutstandingToken.objects.get(jti__endswith="-revoked")
    longest = OutstandingToken.objects.exclude(pk=mark.pk).latest("expires_at")
    assert mark.expires_at > longest.expires_at
    OutstandingToken.objects.filter(expires_at__lt=mark.expires_at).delete()
    assert post(REFRESH, refresh=newest).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("refresh", ["", "garbage", "a.b.c", "x" * 2048])
def test_an_invalid_refresh_token_is_refused(refresh: str) -> None:
    assert post(REFRESH, refresh=refresh).status_code == (401 if refresh else 400)


def test_access_and_refresh_tokens_are_not_interchangeable(alice: User) -> None:
    given = post(LOGIN, email="alice@example.com", password=PASSWORD).json()
    assert post(REFRESH, refresh=given["access"]).status_code == 401
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {given['refresh']}")
    assert caller.get(f"/api/v1/users/{alice.pk}/").status_code == 401


def test_logout_revokes_the_refresh_token(alice: User) -> None:
    given = post(LOGIN, email="alice@example.com", password=PASSWORD).json()
    assert post(LOGOUT, refresh=given["refresh"]).status_code == 204
    assert post(LOGOUT, refresh=given["refresh"]).status_code == 204
    assert post(LOGOUT, refresh="garbage").status_code == 204
    assert post(REFRESH, refresh=given["refresh"]).status_code == 401
    # A process of the previous release checks the token itself.
    with pytest.raises(TokenError):
        RefreshToken(given["refresh"])


def test_logout_with_an_older_token_revokes_later_ones(alice: User) -> None:
    given = post(LOGIN, email="alice@example.com", password=PASSWORD).json()["refresh"]
    newest = refreshed(refreshed(given))
    assert post(LOGOUT, refresh=given).status_code == 204
    assert post(REFRESH, refresh=newest).status_code == 401


def test_a_stale_token_in_the_header_does_not_stop_a_login(alice: User) -> None:
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION="Bearer stale")
    body = {"email": "alice@example.com", "password": PASSWORD}
    assert caller.post(LOGIN, body, format="json").status_code == 200


def test_a_new_password_ends_every_session(alice: User) -> None:
    given = post(LOGIN, email="alice@example.com", password=PASSWORD).json()
    caller = logged_in("alice@example.com")
    answer = caller.patch(
        f"/api/v1/users/{alice.pk}",
        {"password": "another long passphrase", "current_password": PASSWORD},
        format="json",
    )
    assert answer.status_code == 200
    assert caller.get(f"/api/v1/users/{alice.pk}").status_code == 401
    assert post(REFRESH, refresh=given["refresh"]).status_code == 401
    logged_in("alice@example.com", "another long passphrase")


def test_a_deactivated_user_is_refused(alice: User) -> None:
    caller = logged_in("alice@example.com")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert caller.get(f"/api/v1/users/{alice.pk}").status_code == 401
