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

from apps.templates.engine.dates import date_
from apps.templates.engine.limits import (
    CHARACTERS_PER_UNIT,
    LIST_LIMIT,
    NUMBER_LIMIT,
    VALUE_LIMIT,
    weigh,
)

# Parsing and formatting a date takes about 40 times as long as looking up a variable.
COST_OF_A_DATE = 40
# Stops at the next "<", so that a sequence of "<" does not cause quadratic time.
HTML_TAG = re.compile(r"<[^<>]*>")


def _text(value: Any) -> str:
    if value is None or is_undefined(value):
        return ""
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
    texts = [_text(item) for item in items]
    _refuse_long(sum(map(len, texts)) + len(_text(separator)) * len(texts))
    separator = _text(separator)
    if environment.autoescape and separator.strip() == "":
        separator = Markup(separator)  # noqa: S704 - white space needs no escaping.
    return str.join(separator, texts) if type(separator) is str else separator.join(texts)


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


def bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter: charge the work for its inputs and its result, and check their limits."""
    wants_environment = getattr(function, "with_environment", False) or function is join
    own_cost = COST_OF_A_DATE if function is date_ else 0

    @wraps(function)
    def call(value: Any, *args: Any, context: Any, **kwargs: Any) -> Any:
        weight = weigh(value)
        _check(value)
        for argument in (*args, *kwargs.values()):
            _check(argument)
            weight += weigh(argument)
        context.meter.charge(own_cost + weight // CHARACTERS_PER_UNIT)
        if wants_environment:
            kwargs["environment"] = context.env
        try:
            made = function(value, *args, **kwargs)
        except (ValueError, OverflowError, ArithmeticError, LookupError) as error:
            # Python's message may contain the value, which may be personal data.
            message = f"a filter does not fit its value ({type(error).__name__})"
            raise FilterArgumentError(message, token=None) from error
        _check(made)
        context.meter.charge(weigh(made) // CHARACTERS_PER_UNIT)
        return made

    call.with_environment = False  # type: ignore[attr-defined] # wraps copies it; we pass it here.
    return with_context(call)


def takes(name: str, positional: int, keywords: frozenset[str]) -> bool:
    """Return whether a filter accepts this number of arguments and these keywords."""
    signature = SIGNATURES[name]
    try:
        signature.bind(None, *[None] * positional, **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    whole = inspect.signature(function)
    return whole.replace(
        parameters=[p for name, p in whole.parameters.items() if name != "environment"]
    )


_OFFERED: dict[str, Callable[..., Any]] = {
    # Texts.
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
    # Numbers.
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
    # Lists.
    "compact": array.compact,
    "concat": array.concat,
    "first": array.first,
    "join": join,
    "last": array.last,
    "map": array.map_,
    "reverse": array.reverse,
    "sort": array.sort,
    "sort_natural": array.sort_natural,
    "sum": array.sum_,
    "uniq": uniq,
    "where": array.where,
    # Anything.
    "date": date_,
    "default": misc.default,
    "size": misc.size,
}
FILTERS = {name: bounded(function) for name, function in _OFFERED.items()}
SIGNATURES = {name: _signature(function) for name, function in _OFFERED.items()}
