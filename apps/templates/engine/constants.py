"""What a version may not say literally: arguments and values of filters that cannot be right."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.templates.engine.date_formats import problem_with_format, problem_with_zone, read
from apps.templates.engine.localized import problem_with_currency
from apps.templates.engine.numbers import STRICT, decimals_of, number_of
from apps.templates.engine.unfit import UnfitValueError

# Returns what is wrong with a value, as the end of a sentence; None if nothing is.
Check = Callable[[Any], str | None]


def _refused_by(function: Callable[[Any], Any]) -> Check:
    def problem(value: Any) -> str | None:
        try:
            function(value)
        except UnfitValueError as error:
            return error.problem
        return None

    return problem


def _no_date(value: Any) -> str | None:
    return "is not a date" if read(value) is None else None


_NUMBER = _refused_by(number_of)
_DECIMALS = _refused_by(decimals_of)
# By filter, and by the name of its argument.
ARGUMENTS: Mapping[str, Mapping[str, Check]] = {
    "date": {"form": problem_with_format, "zone": problem_with_zone},
    "money": {"currency": problem_with_currency},
    "number": {"decimals": _DECIMALS},
    "percent": {"decimals": _DECIMALS},
    **{name: {"other": _NUMBER, "ndigits": _NUMBER} for name in STRICT},
}
# By the first filter of a literal value.
VALUES: Mapping[str, Check] = {
    "date": _no_date,
    **dict.fromkeys((*STRICT, "money", "number", "percent"), _NUMBER),
}
