"""Times as texts."""

from datetime import UTC, datetime


def in_zulu(at: datetime) -> str:
    """Return a time in ISO 8601 with milliseconds, in UTC with a ``Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
