"""Compare a time that was just set with the expected one."""

from datetime import datetime, timedelta


def about(moment: datetime | None, expected: datetime) -> bool:
    """Check that a time is the expected one, within 5 s for the duration of the test."""
    return moment is not None and abs(moment - expected) < timedelta(seconds=5)
