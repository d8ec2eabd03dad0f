"""Fixtures of the security tests, besides those of the pipeline's tests."""

from typing import Any

import pytest
from django.contrib.auth import hashers

from tests.notifications.conftest import (
    alice,
    bob,
    charlie,
    lanes,
    nothing_stored,
    sandbox_only,
    shop,
    welcome,
)
from tests.security.logins import LIMIT
from tests.security.squatter import Squatter
from tests.users.conftest import FAST_HASHERS, Rate

__all__ = [
    "alice",
    "bob",
    "charlie",
    "lanes",
    "nothing_stored",
    "sandbox_only",
    "shop",
    "welcome",
]


@pytest.fixture
def few_tries(settings: Any) -> None:
    """Allow few logins an hour."""
    settings.PASSWORD_HASHERS = FAST_HASHERS
    settings.RATE_LIMIT_LOGIN = Rate(calls=LIMIT, seconds=3600)
    settings.TRUSTED_PROXIES = []


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the passwords that are hashed."""
    found: list[str] = []
    original = hashers.MD5PasswordHasher.encode

    def counting(self: Any, password: str, salt: str) -> str:
        found.append(password)
        return str(original(self, password, salt))

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", counting)
    return found


@pytest.fixture
def open_registration(settings: Any) -> None:
    """Anybody may register, on an installation with servers."""
    settings.EMBEDDED = False
    settings.OPEN_REGISTRATION = True
    settings.PASSWORD_HASHERS = FAST_HASHERS
    settings.RATE_LIMIT_LOGIN = Rate(calls=1000, seconds=60)


@pytest.fixture
def squatter(welcome: None, open_registration: None) -> Squatter:
    return Squatter()
