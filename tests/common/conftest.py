"""The cast of the pipeline, for what every request meets."""

from tests.notifications.conftest import alice, charlie, sandbox_alone, shop, welcome

__all__ = ["alice", "charlie", "sandbox_alone", "shop", "welcome"]
