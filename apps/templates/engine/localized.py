"""Numbers, amounts of money and shares, as the language of a version writes them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Context, localcontext
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal, format_percent, is_currency

from apps.templates.engine.numbers import decimal_of, decimals_of
from apps.templates.engine.unfit import UnfitValueError, is_missing

FALLBACK = "en"
LOCALES_MAX = 256
# Enough for the largest number that a filter may have, with all decimals.
PRECISION = 40
# The last digit before the decimal sign, and the decimals, in a number pattern of CLDR.
LAST_DIGITS = re.compile(r"0(\.[0#]+)?")


@lru_cache(maxsize=LOCALES_MAX)
def locale_of(language: str) -> Locale:
    """Return what Babel knows about a language; its parent's if it knows only that, else English.

    Args:
        language: A BCP 47 tag, such as ``de-AT``.
    """
    steps = language.split("-")
    for length in range(len(steps), 0, -1):
        try:
            return Locale.parse("-".join(steps[:length]), sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(FALLBACK)


@contextmanager
def _half_up() -> Iterator[None]:
    """Round 0.125 to 0.13, as invoices do; the usual rule of decimals would make it 0.12."""
    with localcontext(Context(prec=PRECISION, rounding=ROUND_HALF_UP)):
        yield


def _pattern(pattern: str, decimals: int) -> str:
    """Return a number pattern with exactly so many decimals: ``#,##0.00`` for 2."""
    digits = "0." + "0" * decimals if decimals else "0"
    return LAST_DIGITS.sub(digits, pattern.split(";", maxsplit=1)[0], count=1)


def number(value: Any, decimals: Any = None, *, language: str) -> str:
    """Write a number: ``1,234.5`` in English, ``1.234,5`` in German.

    Args:
        value: A number, or a text that says one.
        decimals: How many decimals; by default as many as it has, three at most.
        language: The language of the version.

    Raises:
        UnfitValueError: It is no number.
    """
    locale, amount = locale_of(language), decimal_of(value)
    with _half_up():
        if is_missing(decimals):
            return format_decimal(amount, locale=locale)
        pattern = _pattern(locale.decimal_formats[None].pattern, decimals_of(decimals))
        return format_decimal(amount, format=pattern, locale=locale)


def percent(value: Any, decimals: Any = 0, *, language: str) -> str:
    """Write a share: 0.19 is ``19%`` in English and ``19 %`` in German.

    Raises:
        UnfitValueError: It is no number.
    """
    locale, share = locale_of(language), decimal_of(value)
    with _half_up():
        pattern = _pattern(locale.percent_formats[None].pattern, decimals_of(decimals))
        return format_percent(share, format=pattern, locale=locale)


def money(value: Any, currency: Any, *, language: str) -> str:
    """Write an amount with its currency: ``€12.50`` in English, ``12,50 €`` in German.

    Args:
        value: The amount in units of the currency, not in cents.
        currency: A code of ISO 4217. It decides on the number of decimals.
        language: The language of the version.

    Raises:
        UnfitValueError: The amount is no number, or there is no such currency.
    """
    amount = decimal_of(value)
    problem = problem_with_currency(currency)
    if problem is not None:
        raise UnfitValueError(currency, problem)
    with _half_up():
        return format_currency(amount, currency, locale=locale_of(language))


def problem_with_currency(currency: Any) -> str | None:
    """Return what is wrong with a currency, as the end of a sentence; None if nothing is."""
    if isinstance(currency, str) and currency.isupper() and is_currency(currency):
        return None
    return "is not a currency, such as 'EUR'"
