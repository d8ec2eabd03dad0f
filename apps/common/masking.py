"""Remove personal data and secrets from the log lines of all libraries."""

import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

WITHHELD = "***"
# The lines that a database adds to its error message, with the values of the refused row. In a
# repr the line feed is the two characters "\n".
ROW_VALUES = re.compile(r"(?:\n|\\n)\s*(?:DETAIL|CONTEXT|HINT|LINE \d+):.*", re.DOTALL)
# An e-mail address, or a run of characters as long as a device token, a JSON Web Token or the token
# of a link.
LONG_RUN = 100
PERSONAL_DATA = re.compile(r"[^\s<>()\[\],;:\"'=]{1,64}@[^\s<>()\[\],;:\"']+|[\w:%+/=.-]{100,}")
API_KEY = re.compile(r"(nk_(?:live|test)_[a-z0-9]{8})_[A-Za-z0-9]{10,}")
# The user and the password in a URL.
CREDENTIALS = re.compile(r"://[^\s/]*@")
QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
# Quoted text that may stay in an error message: names of columns, classes and modules.
NAME = re.compile(r"['\"][a-z_][a-z_.]{0,62}['\"]")
ERROR_MAX_CHARACTERS = 500

EventDict = MutableMapping[str, Any]

_exceptions = structlog.tracebacks.ExceptionDictTransformer(
    # The local variables of a frame hold bodies, passwords and keys.
    show_locals=False
)


def masked(text: str) -> str:
    """Mask e-mail addresses, tokens and API keys, and cut the row values of database errors."""
    # Nearly all texts are short and have nothing to mask. These checks cost a tenth of the regular
    # expressions. Written out, they cost a quarter of the same checks in a generator.
    if len(text) < LONG_RUN and "@" not in text and "nk_" not in text and "DETAIL" not in text:
        return text
    text = ROW_VALUES.sub("", text)
    return PERSONAL_DATA.sub(WITHHELD, API_KEY.sub(rf"\1_{WITHHELD}", text))


def masked_address(address: str) -> str:
    """Mask an e-mail address so that it is still recognizable: ``a***@example.com``."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}{WITHHELD}{at}{domain}" if at else WITHHELD


def masked_error(text: str) -> str:
    """Return the first line of an exception message, with quoted values masked."""
    first, *_ = ROW_VALUES.sub("", text.strip()).split("\n", maxsplit=1)

    def unless_a_name(found: re.Match[str]) -> str:
        return found[0] if NAME.fullmatch(found[0]) else WITHHELD

    return QUOTED.sub(unless_a_name, masked(first))[:ERROR_MAX_CHARACTERS]


def masked_first_line(error: BaseException) -> str:
    """Return an error's class and the first line of what the server said, without credentials.

    Quoted text stays: it names a host, a role, a database or a queue, without which nobody finds
    what is wrong. libpq ends a line with a colon if it tried several hosts, so then the lines that
    follow are added.
    """
    name = type(error).__name__
    lines = [" ".join(line.split()) for line in ROW_VALUES.sub("", str(error)).splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        return name
    said = lines[0] if not lines[0].endswith(":") else " ".join(lines)
    return f"{name}: {masked(CREDENTIALS.sub('://', said))}"[:ERROR_MAX_CHARACTERS]


def mask(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Mask all texts of a line and the values in its exception (a structlog processor)."""
    exc_info = event_dict.pop("exc_info", None)
    stack = event_dict.pop("stack", None)
    for name, value in event_dict.items():
        if isinstance(value, str):
            event_dict[name] = masked(value)
    if stack is not None:
        event_dict["stack"] = stack
    if exc_info:
        event_dict["exception"] = [_exception_text(one) for one in _chain(exc_info)]
    return event_dict


def as_text(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Format the exceptions of ``mask`` as readable text (a structlog processor)."""
    exceptions = event_dict.pop("exception", None)
    if exceptions is not None:
        event_dict["exception"] = "\n".join(
            f'  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}'
            if frame
            else f"{one['exc_type']}: {one['exc_value']}"
            for one in exceptions
            for frame in (*one["frames"], None)
        )
    return event_dict


def _chain(exc_info: Any) -> list[dict[str, Any]]:
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    if not isinstance(exc_info, tuple):
        exc_info = sys.exc_info()
    return [] if exc_info[1] is None else _exceptions(exc_info)


def _exception_text(one: dict[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "exc_value": masked_error(one["exc_value"]),
        "exc_notes": [masked_error(note) for note in one.get("exc_notes", [])],
        "syntax_error": None,
        "exceptions": [
            [_exception_text(inner) for inner in group] for group in one.get("exceptions", [])
        ],
    }
