"""Read environment variables as typed values.

An invalid one is noted and reported at the end, so that an operator sees all of them at once. A
secret may also be given as ``NAME_FILE``, the path of a file that contains it (Docker and
Kubernetes secrets).
"""

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from ipaddress import ip_network
from typing import Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from environs import EnvValidationError, FileAwareEnv, validate

from apps.notifications.providers.addresses import BadAddressError, name_and_address
from notifications_project.settings.mail_addresses import parse_mail_addresses
from notifications_project.settings.public_keys import parse_public_keys
from notifications_project.settings.spelling import misspelt

P = ParamSpec("P")
Value = TypeVar("Value")

# The status of a command that was called in a wrong way.
INVALID_ENVIRONMENT_STATUS = 2

# RFC 3986, section 3.1.
SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*")
# URLs with these schemes contain scripts or whole documents.
SCRIPT_SCHEMES = frozenset({"data", "javascript", "vbscript"})

# RFC 5321, 4.1.2: a domain, or an address in brackets.
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Za-z.:]{2,45}\]")


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A number of calls in a window of seconds, written like ``10/m`` or ``60000/m``."""

    calls: int
    seconds: int

    def __str__(self) -> str:
        """Return the rate as calls and seconds, such as ``10/60s``."""
        return f"{self.calls}/{self.seconds}s"


RATE_PERIODS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_rate(text: str) -> Rate:
    """Parse a rate such as ``10/m``; the period is one of s, m, h, d.

    Raises:
        ValueError: The text is not a positive count, a slash and a period.
    """
    calls, _, period = text.partition("/")
    if not calls.isdecimal() or int(calls) < 1 or period not in RATE_PERIODS_SECONDS:
        message = f"{text!r} is not a rate such as 10/m (periods: s, m, h, d)"
        raise ValueError(message)
    return Rate(calls=int(calls), seconds=RATE_PERIODS_SECONDS[period])


# A secret file ends with a line feed, which is not part of the secret.
_source = FileAwareEnv(strip_whitespace=True)

# Every variable that was read, and the line to report about each one that is invalid.
_names: set[str] = set()
_problems: dict[str, str] = {}


def noted(read: Callable[Concatenate[str, P], Value]) -> Callable[Concatenate[str, P], Value]:
    """Let a reader note an invalid variable, so that all of them are reported together.

    The reader then returns None. Nothing uses it: ``stop_if_refused`` ends the process.
    """

    @wraps(read)
    def reader(name: str, /, *args: P.args, **kwargs: P.kwargs) -> Value:
        _names.add(name)
        try:
            return read(name, *args, **kwargs)
        except EnvValidationError as error:
            refuse(name, " ".join(map(str, error.error_messages)))
        except ValueError as error:
            refuse(name, str(error))
        return cast("Value", None)

    return reader


def refuse(name: str, reason: str) -> None:
    """Note why a variable is invalid."""
    _problems.setdefault(name, f'Environment variable "{name}": {reason}')


def require(name: str, value: object) -> None:
    """Note that a variable is missing, if its value is empty."""
    if not value:
        missing = f'Environment variable "{name}" must be set when a server is configured.'
        _problems.setdefault(name, missing)


def judge(judged: Callable[[Value], None], name: str, value: Value) -> None:
    """Note what is wrong with a value that was read; one that is empty is not judged."""
    try:
        if value:
            judged(value)
    except ValueError as error:
        refuse(name, str(error))


def refuse_repeated_key(key: str, older: Iterable[str] | None) -> None:
    """Note that the current key is one of the older ones."""
    if key and key in (older or ()):
        reason = "lists the key of SECRET_KEY, so nothing has been rotated."
        refuse("SECRET_KEY_FALLBACKS", reason)


def refuse_misspelt() -> None:
    """Note each variable of the process whose name is one edit away from one that was read."""
    for wrong, right in misspelt(os.environ, _names).items():
        refuse(wrong, f"is not read by this service. Did you mean {right}? Rename or unset it.")


def stop_if_refused() -> None:
    """End the process with status 2 and one line for each invalid variable, if there are any.

    An exception would print a traceback wherever a process is not started by ``manage.py``.
    """
    if _problems:
        # No value may add lines of its own.
        lines = [" ".join(line.split()) for line in _problems.values()]
        sys.stderr.write("\n".join((*lines, "")))
        sys.exit(INVALID_ENVIRONMENT_STATUS)


def read_file(path: str) -> None:
    """Read variables from a file. One that is already set has priority over the file."""
    _source.read_env(path, recurse=False)


@noted
def text(name: str, default: str, *, one_of: Sequence[str] = ()) -> str:
    """Read a text; with ``one_of`` it must be one of these."""
    return _source.str(name, default, validate=validate.OneOf(one_of) if one_of else None)


@noted
def number(name: str, default: int, *, least: int, most: int | None = None) -> int:
    """Read a whole number between two limits."""
    return _source.int(name, default, validate=validate.Range(least, most))


@noted
def decimal(name: str, default: float, *, least: float) -> float:
    """Read a number of at least ``least``."""
    return _source.float(name, default, validate=validate.Range(least))


@noted
def flag(name: str, *, default: bool) -> bool:
    """Read a yes or no."""
    return _source.bool(name, default)


@noted
def texts(name: str) -> list[str]:
    """Read comma-separated texts; unset means none."""
    return _source.list(name, [])


@noted
def base_url(name: str, default: str) -> str:
    """Read the beginning of URLs, without a slash at its end."""
    return _source.str(name, default).rstrip("/")


@noted
def address(name: str, judge: Callable[[str], str]) -> str:
    """Read the address of a server; unset or empty means none."""
    given = _source.str(name, "")
    return judge(given) if given else ""


@noted
def rate(name: str, default: str) -> Rate:
    """Read a rate such as ``10/m``."""
    return parse_rate(_source.str(name, default))


@noted
def per_second(name: str) -> float | None:
    """Read a limit in calls per second; unset or empty means no limit."""
    given = _source.str(name, "")
    if not given:
        return None
    try:
        rate = float(given)
    except ValueError:
        rate = 0.0
    if not (math.isfinite(rate) and rate > 0):
        message = f"{given!r} is not a positive number."
        raise ValueError(message)
    return rate


@noted
def time_limit(name: str, default: float, *, most: float) -> float:
    """Read a time limit in seconds, from 1 to ``most``."""
    given = _source.str(name, "") or str(default)
    try:
        limit = float(given)
    except ValueError:
        limit = 0.0
    if not (math.isfinite(limit) and 1 <= limit <= most):
        message = f"{given!r} is not a number of seconds from 1 to {most:g}."
        raise ValueError(message)
    return limit


@noted
def waits(name: str, default: list[float]) -> tuple[float, ...]:
    """Read comma-separated wait times in seconds; each is at least 1."""
    given = _source.str(name, "")
    try:
        found = [float(part) for part in given.split(",")] if given else default
    except ValueError:
        found = []
    if not found or not all(math.isfinite(wait) and wait >= 1 for wait in found):
        message = f"{given!r} must list seconds, each at least 1."
        raise ValueError(message)
    return tuple(found)


@noted
def sender(name: str, default: str) -> str:
    """Read an address with or without a name, as it is written in a mail's From header."""
    given: str = _source.str(name, default)
    problem = (
        "Write the name as it is read: it is encoded when it is sent." if "=?" in given else ""
    )
    try:
        name_and_address(given)
    except BadAddressError as error:
        problem = str(error)
    if problem:
        message = f'{given!r} is not a sender such as "Foobar, Inc." <ops@example.com>. {problem}'
        raise ValueError(message)
    return given


@noted
def mail_addresses(name: str, *, most: int) -> list[str]:
    """Read comma-separated mail addresses without names, each given once; unset means none."""
    return parse_mail_addresses(_source.str(name, ""), most=most)


@noted
def origin(name: str, default: str) -> str:
    """Read the address under which browsers reach this installation, without a path."""
    given: str = _source.str(name, default).rstrip("/")
    try:
        parts = urlsplit(given)
        whole = bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:
        whole = False
    if not whole or parts.username or parts.query or parts.fragment:
        problem = "is not an address such as https://notify.example.com"
    elif parts.path:
        # Cookies, links and the admin are those of a whole host.
        problem = "has a path. Give the installation a host name of its own"
    else:
        return given
    message = f"{given!r} {problem}."
    raise ValueError(message)


@noted
def host_name(name: str) -> str:
    """Read a host name; unset or empty means none."""
    given: str = _source.str(name, "")
    if given and not HOST_NAME.fullmatch(given):
        message = f"{given!r} is not a host name."
        raise ValueError(message)
    return given


@noted
def providers(name: str, known: Iterable[str]) -> list[str]:
    """Read comma-separated names of providers, each of them known and given once."""
    chosen = [part.strip() for part in _source.str(name, "sandbox").split(",") if part.strip()]
    unknown = [part for part in chosen if part not in known]
    if not chosen or unknown or len(set(chosen)) < len(chosen):
        message = f"{','.join(chosen)!r} must list one or more of {', '.join(known)}, each once."
        raise ValueError(message)
    return chosen


@noted
def networks(name: str) -> list[str]:
    """Read comma-separated addresses and networks."""
    found: list[str] = _source.list(name, [])
    for network in found:
        try:
            ip_network(network.strip(), strict=False)
        except ValueError as error:
            message = f"{error}."
            raise ValueError(message) from None
    return found


@noted
def older_keys(name: str) -> list[str]:
    """Read comma-separated keys. An empty key is refused, because anyone could sign with it."""
    given = _source.str(name, "")
    keys = [part.strip() for part in given.split(",")] if given else []
    if not all(keys) or len(set(keys)) < len(keys):
        # The message does not contain the value, which is secret.
        message = "must list keys, none of them empty or twice."
        raise ValueError(message)
    return keys


@noted
def link_schemes(name: str) -> frozenset[str]:
    """Read the URL schemes of links in mails; schemes that can run a script are refused."""
    given = _source.str(name, "http,https,mailto,tel")
    schemes = [part.strip().lower() for part in given.split(",")]
    bad = [one for one in schemes if not SCHEME.fullmatch(one) or one in SCRIPT_SCHEMES]
    if bad:
        message = (
            f"{given!r} must list schemes such as https, and none of "
            f"{', '.join(sorted(SCRIPT_SCHEMES))}."
        )
        raise ValueError(message)
    return frozenset(schemes)


@noted
def public_keys(name: str) -> list[str]:
    """Read public keys; unset or empty means none."""
    return parse_public_keys(_source.str(name, ""))
