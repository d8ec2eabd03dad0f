"""The ``date`` filter: any format of Liquid, in the language of a version and a time zone."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel.dates import get_day_names, get_month_names, get_period_names

from apps.templates.engine.dates import FORMAT_LENGTH_LIMIT, NOW
from apps.templates.engine.localized import locale_of
from apps.templates.engine.unfit import MissingValueError, UnfitValueError, is_missing

# Ruby's strftime, which Liquid's documentation names. A width is offered for fractions only.
DIRECTIVE = re.compile(
    r"%(?P<flags>[-_0^#]*)(?P<width>[369]?)(?P<colon>:?)(?P<letter>.?)", re.DOTALL
)
# As many as a format of this length has. A short form counts as those that it stands for.
DIRECTIVES_MAX = FORMAT_LENGTH_LIMIT // 2
DAY_LETTERS = frozenset("deDFxcv")
ISO_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}", re.ASCII)
UNIX_DIGITS_MIN = 9
ZONES_MAX = 1_000
# Short forms of several directives.
SHORT = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "X": "%H:%M:%S",
    "h": "%b",
    "r": "%I:%M:%S %p",
    "v": "%e-%b-%Y",
    "x": "%m/%d/%y",
}


@dataclass(frozen=True, kw_only=True)
class _Moment:
    """A moment, and the words for it.

    Attributes:
        at: The moment in the zone in which it is written.
        language: The language of its words.
        alone: Whether a month stands without a day. Some languages have another form for that.
    """

    at: datetime
    language: str
    alone: bool

    def month(self, width: Literal["abbreviated", "wide"]) -> str:
        names = get_month_names(
            width,
            context="stand-alone" if self.alone else "format",
            locale=locale_of(self.language),
        )
        return str(names[self.at.month])

    def day(self, width: Literal["abbreviated", "wide"]) -> str:
        names = get_day_names(width, context="format", locale=locale_of(self.language))
        return str(names[self.at.weekday()])

    def half(self) -> str:
        # Beside a time. Alone, as is the default, few languages have the words.
        locale = locale_of(self.language)
        names = get_period_names("abbreviated", context="format", locale=locale)
        return str(names["am" if self.at.hour < 12 else "pm"])  # noqa: PLR2004 - noon.


def _hour12(at: datetime) -> int:
    return (at.hour - 1) % 12 + 1


def _day_of_year(at: datetime) -> int:
    return at.toordinal() - date(at.year, 1, 1).toordinal() + 1


# Calculated: datetime.strftime takes five times as long for one number, and a format may have 50.
def _week(at: datetime, weekday: int) -> int:
    """Return the week of the year by the number of the day in a week; 0 before the first."""
    return (_day_of_year(at) + 6 - weekday) // 7


def _offset(at: datetime, *, colon: bool) -> str:
    """Return the offset to UTC in hours and minutes; seconds, which old ones have, are left out."""
    offset = at.utcoffset() or timedelta()
    hours, rest = divmod(abs(offset).seconds, 3600)
    return f"{'-' if offset.days else '+'}{hours:02d}{':' if colon else ''}{rest // 60:02d}"


# Numbers: the value, the width, and what fills it up.
NUMBERS: Mapping[str, tuple[Callable[[datetime], int], int, str]] = {
    "C": (lambda at: at.year // 100, 2, "0"),
    "d": (lambda at: at.day, 2, "0"),
    "e": (lambda at: at.day, 2, " "),
    "G": (lambda at: at.isocalendar().year, 4, "0"),
    "g": (lambda at: at.isocalendar().year % 100, 2, "0"),
    "H": (lambda at: at.hour, 2, "0"),
    "I": (_hour12, 2, "0"),
    "j": (_day_of_year, 3, "0"),
    "k": (lambda at: at.hour, 2, " "),
    "l": (_hour12, 2, " "),
    "M": (lambda at: at.minute, 2, "0"),
    "m": (lambda at: at.month, 2, "0"),
    "S": (lambda at: at.second, 2, "0"),
    "s": (lambda at: int(at.timestamp()), 1, "0"),
    "U": (lambda at: _week(at, at.isoweekday() % 7), 2, "0"),
    "u": (lambda at: at.isoweekday(), 1, "0"),
    "V": (lambda at: at.isocalendar().week, 2, "0"),
    "W": (lambda at: _week(at, at.weekday()), 2, "0"),
    "w": (lambda at: at.isoweekday() % 7, 1, "0"),
    "Y": (lambda at: at.year, 4, "0"),
    "y": (lambda at: at.year % 100, 2, "0"),
}
WORDS: Mapping[str, Callable[[_Moment], str]] = {
    "A": lambda moment: moment.day("wide"),
    "a": lambda moment: moment.day("abbreviated"),
    "B": lambda moment: moment.month("wide"),
    "b": lambda moment: moment.month("abbreviated"),
    "p": _Moment.half,
    "P": lambda moment: moment.half().lower(),
    "Z": lambda moment: moment.at.tzname() or "",
    "n": lambda _: "\n",
    "t": lambda _: "\t",
    "%": lambda _: "%",
}


def read(value: Any) -> datetime | date | None:
    """Read ISO 8601, Unix seconds, ``now`` or ``today``; None for anything else.

    A day, and a time without a zone, are what a clock on the wall shows, in any zone.
    """
    if isinstance(value, datetime | date):
        return value
    try:
        if isinstance(value, int | float):
            return None if isinstance(value, bool) else datetime.fromtimestamp(value, UTC)
        text = str(value).strip()
        if text in NOW:
            return datetime.now(UTC)
        if text.isdecimal() and len(text) >= UNIX_DIGITS_MIN:
            return datetime.fromtimestamp(int(text), UTC)
        return date.fromisoformat(text) if ISO_DAY.fullmatch(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=ZONES_MAX)
def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone of the IANA database; None if there is none with this name."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def problem_with_zone(zone: Any) -> str | None:
    """Return what is wrong with a time zone, as the end of a sentence; None if nothing is."""
    if isinstance(zone, str) and zone and zone_of(zone) is not None:
        return None
    return "is not a time zone, such as 'Europe/Berlin'"


def problem_with_format(form: Any) -> str | None:
    """Return what is wrong with a format, as the end of a sentence; None if nothing is."""
    if not isinstance(form, str) or len(form) > FORMAT_LENGTH_LIMIT:
        return f"is not a format of at most {FORMAT_LENGTH_LIMIT} characters"
    count = 0
    for found in DIRECTIVE.finditer(form):
        if not _is_known(found):
            return f"has the unknown directive '{found[0]}'"
        count += SHORT.get(found["letter"], "%").count("%")
    return f"has more than {DIRECTIVES_MAX} directives" if count > DIRECTIVES_MAX else None


def _is_known(found: re.Match[str]) -> bool:
    letter = found["letter"]
    if found["colon"]:
        return letter == "z"
    if found["width"]:
        return letter == "N"
    return letter in NUMBERS or letter in WORDS or letter in SHORT or letter in {"L", "N", "z"}


def date_(
    value: Any, form: Any = "%Y-%m-%d", zone: Any = None, *, language: str, timezone: str
) -> str:
    """Write a date.

    Args:
        value: A date, or a text that says one; see ``read``.
        form: The format.
        zone: The time zone; by default that of the recipient.
        language: The language of the version.
        timezone: The time zone of the recipient.

    Raises:
        MissingValueError: It is null or was not given.
        UnfitValueError: It is no date, or the format or the zone is not known.
    """
    if is_missing(value):
        raise MissingValueError(value)
    found = read(value)
    if found is None:
        raise UnfitValueError(value, "is not a date")
    problem = problem_with_format(form)
    if problem is not None:
        raise UnfitValueError(form, problem)
    if not is_missing(zone) and (problem := problem_with_zone(zone)) is not None:
        raise UnfitValueError(zone, problem)
    wanted = timezone if is_missing(zone) else zone
    at = _in_zone(found, zone_of(wanted) or UTC)
    letters = {directive["letter"] for directive in DIRECTIVE.finditer(form)}
    moment = _Moment(at=at, language=language, alone=letters.isdisjoint(DAY_LETTERS))
    try:
        return _written(moment, form)
    except (ValueError, OverflowError) as error:
        raise UnfitValueError(value, "is not a date that can be written") from error


def _in_zone(found: datetime | date, zone: Any) -> datetime:
    if not isinstance(found, datetime):
        return datetime.combine(found, time.min, zone)
    if found.tzinfo is None:
        return found.replace(tzinfo=zone)
    return found.astimezone(zone)


def _written(moment: _Moment, form: str) -> str:
    return DIRECTIVE.sub(lambda found: _directive(moment, found), form)


def _directive(moment: _Moment, found: re.Match[str]) -> str:
    letter, flags = found["letter"], found["flags"]
    if letter in SHORT:
        text = _written(moment, SHORT[letter])
    elif letter in WORDS:
        text = WORDS[letter](moment)
    elif letter in NUMBERS:
        text = _number(*NUMBERS[letter], moment.at, flags)
    elif letter == "z":
        text = _offset(moment.at, colon=bool(found["colon"]))
    else:
        digits = 3 if letter == "L" else int(found["width"] or 9)
        text = f"{moment.at.microsecond:06d}000"[:digits]
    if "^" in flags:
        return text.upper()
    return text.swapcase() if "#" in flags else text


def _number(
    read_from: Callable[[datetime], int], width: int, fill: str, at: datetime, flags: str
) -> str:
    if "-" in flags:
        return str(read_from(at))
    fill = " " if "_" in flags else "0" if "0" in flags else fill
    return str(read_from(at)).rjust(width, fill)
