"""Time zones of the IANA database."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

MAX_LENGTH = 64


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) | {"UTC"}


def is_timezone(name: str) -> bool:
    """Return whether this is the name of a time zone, such as ``Africa/Lagos``."""
    return name in _names()


def instant(wall: datetime, zone: str, *, second_pass: bool = False) -> datetime:
    """Return when the clocks of a zone show a time, in UTC.

    Args:
        wall: The time without a zone.
        zone: The time zone.
        second_pass: Which of both, for a time that clocks show twice when they are set back.

    Returns:
        The time. For one that clocks skip when they are set forward, the end of the gap.
    """
    local = wall.replace(tzinfo=ZoneInfo(zone), fold=int(second_pass))
    found = local.astimezone(UTC)
    if found.astimezone(local.tzinfo).replace(tzinfo=None) == wall:
        return found
    # In the gap, the two offsets give a time before and one after the change of the clocks.
    passes = (local.replace(fold=fold) for fold in (0, 1))
    early, late = sorted(one.astimezone(UTC) for one in passes)
    return change_between(early, late, zone) or late


def change_between(early: datetime, late: datetime, zone: str) -> datetime | None:
    """Return when clocks of a zone are changed, in UTC; None if they are not.

    Args:
        early: A time before the change.
        late: A time after it, less than two changes later.
        zone: The time zone.
    """
    info = ZoneInfo(zone)
    offset = early.astimezone(info).utcoffset()
    if late.astimezone(info).utcoffset() == offset:
        return None
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(info).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)
