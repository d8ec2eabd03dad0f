"""The cast of the pipeline's tests."""

from tests.notifications.conftest import (
    alice,
    bob,
    charlie,
    lanes,
    nothing_stored,
    sandbox_alone,
    shop,
    welcome,
)

__all__ = [
    "alice",
    "bob",
    "charlie",
    "lanes",
    "nothing_stored",
    "sandbox_alone",
    "shop",
    "welcome",
]
