"""Fixtures of the pipeline's tests, for the security tests."""

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
