"""The default retry policy, the time of the tests, and a backoff without jitter."""

from datetime import UTC, datetime

from apps.notifications.delivery.retry_policy import Policy

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DEFAULT = Policy(max_attempts=12, base_seconds=5.0, max_seconds=600.0)


def no_jitter() -> float:
    return 0.0
