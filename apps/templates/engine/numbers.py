"""Arithmetic that refuses what is no number, where Liquid's own counts it as 0."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any

from liquid.builtin.filters import math as library

from apps.templates.engine.unfit import MissingValueError, UnfitValueError, is_missing

NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?\s*", re.ASCII)
WHOLE = re.compile(r"\s*[-+]?\d+\s*", re.ASCII)
# Longer texts are no amounts, and converting them takes quadratic time.
LENGTH_MAX = 40
DECIMALS_MAX = 10


def number_of(value: Any) -> int | float:
    """Return a number, or the number that a text such as ``12.50`` says.

    Raises:
        MissingValueError: It is null or was not given.
        UnfitValueError: It is no number; a decimal comma makes a text no number.
    """
    if is_missing(value):
        raise MissingValueError(value)
    number: int | float = value
    if isinstance(value, str) and len(value) <= LENGTH_MAX and NUMBER.fullmatch(value):
        number = int(value) if WHOLE.fullmatch(value) else float(value)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or (isinstance(number, float) and not math.isfinite(number)):
        raise UnfitValueError(value, "is not a number")
    return number


def decimal_of(value: Any) -> Decimal:
    """Return a number with the decimals that it is written with, for exact rounding."""
    return Decimal(str(number_of(value)))


def decimals_of(value: Any) -> int:
    """Return how many decimals are wanted.

    Raises:
        UnfitValueError: It is not a whole number from 0 to ``DECIMALS_MAX``.
    """
    number = number_of(value)
    if not isinstance(number, int) or not 0 <= number <= DECIMALS_MAX:
        raise UnfitValueError(value, f"is not a number of decimals from 0 to {DECIMALS_MAX}")
    return number


def _strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter of the library, so that it gets numbers only."""

    @wraps(function)
    def call(value: Any, *others: Any) -> Any:
        return function(number_of(value), *map(number_of, others))

    return call


STRICT = {
    "abs": _strict(library.abs_),
    "at_least": _strict(library.at_least),
    "at_most": _strict(library.at_most),
    "ceil": _strict(library.ceil),
    "divided_by": _strict(library.divided_by),
    "floor": _strict(library.floor),
    "minus": _strict(library.minus),
    "modulo": _strict(library.modulo),
    "plus": _strict(library.plus),
    "round": _strict(library.round_),
    "times": _strict(library.times),
}
