"""Fixtures of the pipeline's tests, reused for tests of whole requests."""

from tests.notifications.conftest import alice, charlie, sandbox_alone, shop, welcome

__all__ = ["alice", "charlie", "sandbox_alone", "shop", "welcome"]
