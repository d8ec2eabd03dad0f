"""Users and callers for the tests of accounts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from apps.common.callers import Kind, Scope
from apps.users import api_keys
from apps.users.models import User

PASSWORD = "correct horse battery staple"
FAST_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
]


@dataclass(frozen=True, kw_only=True)
class Rate:
    calls: int
    seconds: int


@pytest.fixture(autouse=True)
def accounts_alone(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.STATIC_ROOT = str(tmp_path)  # WhiteNoise warns about a missing directory.
    settings.ROOT_URLCONF = "tests.users.urls"
    settings.PASSWORD_HASHERS = FAST_HASHERS
    settings.RATE_LIMIT_LOGIN = Rate(calls=1000, seconds=60)
    settings.EMBEDDED = True
    settings.OPEN_REGISTRATION = False
    settings.TRUSTED_PROXIES = []
    cache.clear()
    yield
    cache.clear()


def make(name: str, **fields: Any) -> User:
    defaults: dict[str, Any] = {
        "name": name.title(),
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "email_confirmed_at": timezone.now(),
    }
    return User.objects.create_user(**{**defaults, **fields})


@pytest.fixture
def alice(db: None) -> User:
    return make("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make("bob")


@pytest.fixture
def charlie(db: None) -> User:
    """An administrator."""
    return make("charlie", is_staff=True, is_superuser=True)


@pytest.fixture
def key_client(db: None) -> Callable[..., APIClient]:
    """Return a function that makes API clients with a key."""

    def build(*scopes: Scope, client: str = "shop", kind: Kind = Kind.LIVE) -> APIClient:
        _, plain = api_keys.create(
            name=client,
            client=client,
            kind=kind,
            scopes=scopes or (Scope.USERS_READ, Scope.USERS_WRITE),
        )
        caller = APIClient()
        caller.credentials(HTTP_AUTHORIZATION=f"Api-Key {plain}")
        return caller

    return build


@pytest.fixture
def shop(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client()


def logged_in(email: str, password: str = PASSWORD) -> APIClient:
    caller = APIClient()
    answer = caller.post(
        "/api/v1/users/login", {"email": email, "password": password}, format="json"
    )
    assert answer.status_code == 200, answer.content
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
    return caller
