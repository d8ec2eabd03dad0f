"""The filters for templates, with limits on their inputs and results."""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from liquid.builtin.filters import array, math, misc, string
from liquid.exceptions import FilterArgumentError, ResourceLimitError
from liquid.filter import flatten, with_context
from liquid.undefined import is_undefined
from markupsafe import Markup

from apps.templates.engine import date_formats, dates, localized, releases
from apps.templates.engine.limits import (
    CHARACTERS_PER_UNIT,
    LIST_LIMIT,
    NUMBER_LIMIT,
    VALUE_LIMIT,
    weigh,
)
from apps.templates.engine.numbers import STRICT
from apps.templates.engine.texts import json_of, text_of
from apps.templates.engine.unfit import MissingValueError, UnfitValueError

# Reading and writing a date takes about 40 times as long as looking up a variable, and so does
# writing a number as a language does.
COST_OF_A_FORMAT = 40
FORMATS = frozenset({"date", "money", "number", "percent"})
# What a filter may get from the rendering, besides its arguments.
GIVEN = frozenset({"environment", "language", "timezone"})
# Stops at the next "<", so that a sequence of "<" does not cause quadratic time.
HTML_TAG = re.compile(r"<[^<>]*>")


def _text(value: Any) -> str:
    if value is None or is_undefined(value):
        return ""
    if isinstance(value, dict | list | tuple):
        return text_of(value, autoescape=False)
    return value if isinstance(value, str) else str(value)


def _refuse_long(length: int) -> None:
    if length > VALUE_LIMIT:
        message = f"a value of more than {VALUE_LIMIT} characters"
        raise ResourceLimitError(message, token=None)


def replace(value: Any, sought: Any, put: Any = "") -> str:
    """Replace all occurrences; check the length of the result before it is created.

    Raises:
        ResourceLimitError: The result could be longer than ``VALUE_LIMIT``.
    """
    text, sought, put = _text(value), _text(sought), _text(put)
    _refuse_long(len(text) + text.count(sought) * len(put))
    return text.replace(sought, put)


def split(value: Any, separator: Any = " ") -> list[str]:
    """Split into at most ``LIST_LIMIT`` pieces.

    Raises:
        ResourceLimitError: There are more pieces.
    """
    text, separator = _text(value), _text(separator)
    pieces = text.count(separator) if separator else len(text)
    if pieces >= LIST_LIMIT:
        message = f"split: more than {LIST_LIMIT} pieces"
        raise ResourceLimitError(message, token=None)
    if not separator:
        return [text[index] for index in range(len(text))]
    if not text or text == separator:
        return []
    return text.split(None if separator == " " else separator)


def join(value: Any, separator: Any = " ", *, environment: Any) -> str:
    """Join a list; check the length of the result before it is created.

    Raises:
        ResourceLimitError: The result could be longer than ``VALUE_LIMIT``.
    """
    items = flatten(value) if isinstance(value, list | tuple) else [value]
    strict = environment.engine > releases.FIRST
    texts = [_words(item, autoescape=False) if strict else _text(item) for item in items]
    _refuse_long(sum(map(len, texts)) + len(_text(separator)) * len(texts))
    separator = _text(separator)
    if environment.autoescape and separator.strip() == "":
        separator = Markup(separator)  # noqa: S704 - white space needs no escaping.
    return str.join(separator, texts) if type(separator) is str else separator.join(texts)


def json_(value: Any) -> str:
    """Write a value as JSON, for a link or for another program."""
    return json_of(None if is_undefined(value) else value)


def map_(value: Any, key: Any) -> list[Any]:
    """Return one key of each item; null where an item has no such key, so that ``compact`` works.

    The library returns an object of its own there, which only equals null.
    """
    return [None if item == None else item for item in array.map_(value, key)]  # noqa: E711


def _of_lists(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter of lists: an object has no first or last item, only its own keys."""

    @wraps(function)
    def call(value: Any, **given: Any) -> Any:
        return None if isinstance(value, dict) else function(value, **given)

    return call


def uniq(value: Any) -> list[Any]:
    """Remove duplicate items, in one pass."""
    items = flatten(value) if isinstance(value, list | tuple) else [value]
    first: dict[Any, Any] = {}
    for item in items:
        first.setdefault(repr(item) if isinstance(item, list | dict) else item, item)
    return list(first.values())


def strip_html(value: Any) -> str:
    """Remove HTML tags from a text, for readability. Escaping, not this, makes a text safe."""
    text = _text(value)
    stripped = HTML_TAG.sub("", text)
    if isinstance(text, Markup):
        # Values of variables are escaped in it, so the author wrote all the tags.
        return Markup(stripped)  # noqa: S704
    return stripped


def _check(value: Any) -> None:
    if isinstance(value, str):
        _refuse_long(len(value))
    elif isinstance(value, list | tuple) and len(value) > LIST_LIMIT:
        message = f"a list of more than {LIST_LIMIT} items"
        raise ResourceLimitError(message, token=None)
    elif isinstance(value, int | float) and not -NUMBER_LIMIT <= value <= NUMBER_LIMIT:
        message = f"a number beyond {NUMBER_LIMIT}"
        raise ResourceLimitError(message, token=None)


def _words(value: Any, *, autoescape: bool) -> Any:
    """Return the text that an output would write; ``true`` and not Python's ``True``."""
    return value if isinstance(value, str) else text_of(value, autoescape=autoescape)


def bounded(name: str, function: Callable[..., Any], *, engine: int) -> Callable[..., Any]:
    """Wrap a filter: charge the work for its inputs and its result, and check their limits.

    Args:
        name: The name of the filter.
        function: The filter.
        engine: The number of the engine whose rules it follows.
    """
    given = GIVEN & inspect.signature(function).parameters.keys()
    if getattr(function, "with_environment", False):
        given |= {"environment"}
    own_cost = COST_OF_A_FORMAT if name in FORMATS else 0
    printed = object if engine > releases.FIRST else (dict, list, tuple)

    @wraps(function)
    def call(value: Any, *args: Any, context: Any, **kwargs: Any) -> Any:
        weight = weigh(value)
        _check(value)
        for argument in (*args, *kwargs.values()):
            _check(argument)
            weight += weigh(argument)
        context.meter.charge(own_cost + weight // CHARACTERS_PER_UNIT)
        for wanted in given:
            kwargs[wanted] = context.facts[wanted]
        if name in TEXTS and isinstance(value, printed):
            value = _words(value, autoescape=context.autoescape)
        try:
            made = function(value, *args, **kwargs)
        except MissingValueError as error:
            if context.is_preview:
                return ""
            raise FilterArgumentError(context.said_of(name, error), token=None) from error
        except UnfitValueError as error:
            raise FilterArgumentError(context.said_of(name, error), token=None) from error
        except (ValueError, OverflowError, ArithmeticError, LookupError) as error:
            # Python's message may contain the value, which may be personal data.
            message = f"a filter does not fit its value ({type(error).__name__})"
            raise FilterArgumentError(message, token=None) from error
        _check(made)
        context.meter.charge(weigh(made) // CHARACTERS_PER_UNIT)
        return made

    call.with_environment = False  # type: ignore[attr-defined] # wraps copies it; we pass it here.
    return with_context(call)


def takes(name: str, positional: int, keywords: frozenset[str], *, engine: int) -> bool:
    """Return whether a filter accepts this number of arguments and these keywords."""
    signature = SIGNATURES[engine][name]
    try:
        signature.bind(None, *[None] * positional, **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    whole = inspect.signature(function)
    return whole.replace(
        parameters=[p for name, p in whole.parameters.items() if name not in GIVEN]
    )


_TEXTS: dict[str, Callable[..., Any]] = {
    "append": string.append,
    "capitalize": string.capitalize,
    "downcase": string.downcase,
    "escape": string.escape,
    "escape_once": string.escape_once,
    "lstrip": string.lstrip,
    "newline_to_br": string.newline_to_br,
    "prepend": string.prepend,
    "remove": string.remove,
    "remove_first": string.remove_first,
    "remove_last": string.remove_last,
    "replace": replace,
    "replace_first": string.replace_first,
    "replace_last": string.replace_last,
    "rstrip": string.rstrip,
    "slice": string.slice_,
    "split": split,
    "squish": string.squish,
    "strip": string.strip,
    "strip_html": strip_html,
    "strip_newlines": string.strip_newlines,
    "truncate": string.truncate,
    "truncatewords": string.truncatewords,
    "upcase": string.upcase,
    "url_encode": string.url_encode,
}
TEXTS = frozenset(_TEXTS)
_NUMBERS: dict[str, Callable[..., Any]] = {
    "abs": math.abs_,
    "at_least": math.at_least,
    "at_most": math.at_most,
    "ceil": math.ceil,
    "divided_by": math.divided_by,
    "floor": math.floor,
    "minus": math.minus,
    "modulo": math.modulo,
    "plus": math.plus,
    "round": math.round_,
    "times": math.times,
}
_LISTS: dict[str, Callable[..., Any]] = {
    "compact": array.compact,
    "concat": array.concat,
    "first": _of_lists(array.first),
    "join": join,
    "last": _of_lists(array.last),
    "map": array.map_,
    "reverse": array.reverse,
    "sort": array.sort,
    "sort_natural": array.sort_natural,
    "sum": array.sum_,
    "uniq": uniq,
    "where": array.where,
    "default": misc.default,
    "size": misc.size,
}
_OFFERED: dict[int, dict[str, Callable[..., Any]]] = {
    releases.FIRST: {**_TEXTS, **_NUMBERS, **_LISTS, "date": dates.date_},
    releases.CURRENT: {
        **_TEXTS,
        **STRICT,
        **_LISTS,
        "date": date_formats.date_,
        "json": json_,
        "map": map_,
        "money": localized.money,
        "number": localized.number,
        "percent": localized.percent,
    },
}
# The filters by the number of the engine, and what arguments they take.
FILTERS = {
    engine: {name: bounded(name, function, engine=engine) for name, function in offered.items()}
    for engine, offered in _OFFERED.items()
}
SIGNATURES = {
    engine: {name: _signature(function) for name, function in offered.items()}
    for engine, offered in _OFFERED.items()
}
