"""The ``date`` filter: reads ISO 8601, writes a limited set of formats; the default is UTC."""

import re
from datetime import UTC, date, datetime, time

from liquid.exceptions import FilterArgumentError

FORMAT_LENGTH_LIMIT = 100
# strftime also supports widths, so a template could request any number of characters.
DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)
PADDED = frozenset("YymdHIMSjBbAapZzFTRDuU%e")
UNPADDED = frozenset("mdHIMSjyel")
# Words for the time of sending.
NOW = frozenset({"now", "today"})


def read(value: object) -> datetime | None:
    """Parse an ISO 8601 text, Unix seconds, ``now`` or ``today``; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        text = str(value).strip()
        if text in NOW:
            return datetime.now(UTC)
        if text.isdecimal() and len(text) > len("20260131"):
            return datetime.fromtimestamp(int(text), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _directive(moment: datetime, match: re.Match[str]) -> str:
    unpadded, letter = match[1], match[2]
    if not letter or letter not in (UNPADDED if unpadded else PADDED | {"l"}):
        message = f"date: the format {match[0]!r} is not known"
        raise FilterArgumentError(message, token=None)
    text = moment.strftime("%I" if letter == "l" else f"%{letter}")
    return text.lstrip("0 ") or "0" if unpadded or letter == "l" else text


def date_(value: object, form: object = "%Y-%m-%d") -> object:
    """Format a date with a ``strftime`` format; a value that is not a date is returned unchanged.

    Raises:
        FilterArgumentError: The format is too long or has an unknown directive.
    """
    if not isinstance(form, str) or len(form) > FORMAT_LENGTH_LIMIT:
        message = f"date: expected a format of at most {FORMAT_LENGTH_LIMIT} characters"
        raise FilterArgumentError(message, token=None)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min, UTC)
    moment = value if isinstance(value, datetime) else read(value)
    if moment is None:
        return value
    return DIRECTIVE.sub(lambda match: _directive(moment, match), str(form))
