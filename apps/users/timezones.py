"""Time zones of the IANA database."""

from functools import cache
from zoneinfo import available_timezones

MAX_LENGTH = 64


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) | {"UTC"}


def is_timezone(name: str) -> bool:
    """Return whether this is the name of a time zone, such as ``Africa/Lagos``."""
    return name in _names()
