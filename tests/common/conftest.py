"""Fixtures of the pipeline's tests, reused for tests of whole requests."""

from tests.notifications.conftest import alice, charlie, sandbox_only, shop, welcome

__all__ = ["alice", "charlie", "sandbox_only", "shop", "welcome"]
