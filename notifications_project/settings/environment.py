"""All environment variables of the project, read once and converted to typed values.

An invalid value stops the process with an error that names the variable. A secret may also be given
as ``NAME_FILE``, the path of a file that contains it (Docker and Kubernetes secrets). A test checks
the table in ``.env.example`` against this module.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environs import FileAwareEnv, validate

from apps.notifications.providers.addresses import BadAddressError, name_and_address
from apps.notifications.providers.registry import PROVIDERS
from apps.notifications.providers.time_limits import SMTP_REPLY_MAX_SECONDS

BASE_DIR = Path(__file__).resolve().parents[2]

# Provider events, replays and idempotency keys need a notification for at least this long. The
# maximum is a century, so that every cut-off is a valid date.
RETENTION_MIN_DAYS = 30
RETENTION_MAX_DAYS = 36_500

# RFC 3986, section 3.1.
SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*")
# URLs with these schemes contain scripts or whole documents.
SCRIPT_SCHEMES = frozenset({"data", "javascript", "vbscript"})

# RFC 5321, 4.1.2: a domain, or an address in brackets.
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Za-z.:]{2,45}\]")

SMTP_DEFAULT_PORTS = {"none": 25, "starttls": 587, "implicit": 465}


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
env = FileAwareEnv(strip_whitespace=True)
# A variable that is already set has priority over the file.
env.read_env(env.str("ENV_FILE", str(BASE_DIR / ".env")), recurse=False)


def _rate(name: str, default: str) -> Rate:
    try:
        return parse_rate(env.str(name, default))
    except ValueError as error:
        message = f'Environment variable "{name}": {error}'
        raise ImproperlyConfigured(message) from None


def _per_second(name: str) -> float | None:
    """Read a limit in calls per second; unset or empty means no limit."""
    text = env.str(name, "")
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not (math.isfinite(rate) and rate > 0):
        message = f'Environment variable "{name}": {text!r} is not a positive number.'
        raise ImproperlyConfigured(message)
    return rate


def _time_limit(name: str, default: float, *, most: float) -> float:
    """Read a time limit in seconds, from 1 to ``most``."""
    text = env.str(name, "") or str(default)
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not (math.isfinite(limit) and 1 <= limit <= most):
        message = (
            f'Environment variable "{name}": {text!r} is not a number of seconds from 1 to '
            f"{most:g}."
        )
        raise ImproperlyConfigured(message)
    return limit


def _seconds(name: str, default: list[float]) -> tuple[float, ...]:
    """Read comma-separated wait times in seconds; each is at least 1."""
    text = env.str(name, "")
    try:
        waits = [float(part) for part in text.split(",")] if text else default
    except ValueError:
        waits = []
    if not waits or not all(math.isfinite(wait) and wait >= 1 for wait in waits):
        message = f'Environment variable "{name}": {text!r} must list seconds, each at least 1.'
        raise ImproperlyConfigured(message)
    return tuple(waits)


def _sender(name: str, default: str) -> str:
    """Read an address with or without a name, as it is written in a mail's From header."""
    text: str = env.str(name, default)
    problem = "Write the name as it is read: it is encoded when it is sent." if "=?" in text else ""
    try:
        name_and_address(text)
    except BadAddressError as error:
        problem = str(error)
    if problem:
        message = (
            f'Environment variable "{name}": {text!r} is not a sender such as '
            f'"Foobar, Inc." <ops@example.com>. {problem}'
        )
        raise ImproperlyConfigured(message)
    return text


def _origin(name: str, default: str) -> str:
    """Read the address under which browsers reach this installation, without a path."""
    text: str = env.str(name, default).rstrip("/")
    try:
        parts = urlsplit(text)
        whole = bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:
        whole = False
    if not whole or parts.username or parts.query or parts.fragment:
        problem = "is not an address such as https://notify.example.com"
    elif parts.path:
        # Cookies, links and the admin are those of a whole host.
        problem = "has a path. Give the installation a host name of its own"
    else:
        return text
    message = f'Environment variable "{name}": {text!r} {problem}.'
    raise ImproperlyConfigured(message)


def _host_name(name: str) -> str:
    """Read a host name; unset or empty means none."""
    text: str = env.str(name, "")
    if text and not HOST_NAME.fullmatch(text):
        message = f'Environment variable "{name}": {text!r} is not a host name.'
        raise ImproperlyConfigured(message)
    return text


def _providers(name: str, known: Iterable[str]) -> list[str]:
    chosen = [part.strip() for part in env.str(name, "sandbox").split(",") if part.strip()]
    unknown = [part for part in chosen if part not in known]
    if not chosen or unknown or len(set(chosen)) < len(chosen):
        message = (
            f'Environment variable "{name}": {",".join(chosen)!r} must list one or more of '
            f"{', '.join(known)}, each once."
        )
        raise ImproperlyConfigured(message)
    return chosen


def _networks(name: str) -> list[str]:
    networks: list[str] = env.list(name, [])
    for network in networks:
        try:
            ip_network(network.strip(), strict=False)
        except ValueError as error:
            message = f'Environment variable "{name}": {error}.'
            raise ImproperlyConfigured(message) from None
    return networks


def _older_keys(name: str) -> list[str]:
    """Read comma-separated keys. An empty key is refused, because anyone could sign with it."""
    text = env.str(name, "")
    keys = [part.strip() for part in text.split(",")] if text else []
    if not all(keys) or len(set(keys)) < len(keys):
        # The message does not contain the value, which is secret.
        message = f'Environment variable "{name}": must list keys, none of them empty or twice.'
        raise ImproperlyConfigured(message)
    return keys


def _link_schemes(name: str) -> frozenset[str]:
    """Read the URL schemes of links in mails; schemes that can run a script are refused."""
    text = env.str(name, "http,https,mailto,tel")
    schemes = [part.strip().lower() for part in text.split(",")]
    bad = [one for one in schemes if not SCHEME.fullmatch(one) or one in SCRIPT_SCHEMES]
    if bad:
        message = (
            f'Environment variable "{name}": {text!r} must list schemes such as https, and none of '
            f"{', '.join(sorted(SCRIPT_SCHEMES))}."
        )
        raise ImproperlyConfigured(message)
    return frozenset(schemes)


# Servers. Without them: SQLite, an in-memory broker (the embedded mode), an in-process cache.
DATABASE_URL: str = env.str("DATABASE_URL", "")
BROKER_URL: str = env.str("BROKER_URL", "")
REDIS_URL: str = env.str("REDIS_URL", "")

EMBEDDED: bool = not BROKER_URL
HAS_SERVER: bool = bool(DATABASE_URL or BROKER_URL or REDIS_URL)

# The web process.
SECRET_KEY: str = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS: list[str] = _older_keys("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", [])
DEBUG: bool = env.bool("DEBUG", default=False)
PUBLIC_URL: str = _origin("PUBLIC_URL", "http://127.0.0.1:8000")
TRUSTED_PROXIES: list[str] = _networks("TRUSTED_PROXIES")
OPEN_REGISTRATION: bool = env.bool("OPEN_REGISTRATION", default=EMBEDDED and not HAS_SERVER)
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")
ADMIN_SECOND_FACTOR: str = env.str(
    "ADMIN_SECOND_FACTOR", "optional", validate=validate.OneOf(["optional", "required"])
)

# Logs.
LOG_LEVEL: str = env.str(
    "LOG_LEVEL",
    "INFO",
    validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
)
LOG_FORMAT: str = env.str("LOG_FORMAT", "json", validate=validate.OneOf(["json", "console"]))

# Delivery.
EMAIL_PROVIDERS: list[str] = _providers("EMAIL_PROVIDERS", PROVIDERS["email"])
PUSH_PROVIDERS: list[str] = _providers("PUSH_PROVIDERS", PROVIDERS["push"])
LINK_SCHEMES: frozenset[str] = _link_schemes("LINK_SCHEMES")
DEFAULT_FROM_EMAIL: str = _sender("DEFAULT_FROM_EMAIL", "Notifications <notifications@localhost>")

SMTP_HOST: str = env.str("SMTP_HOST", "")
SMTP_TLS: Literal["none", "starttls", "implicit"] = cast(
    "Literal['none', 'starttls', 'implicit']",
    env.str("SMTP_TLS", "starttls", validate=validate.OneOf(list(SMTP_DEFAULT_PORTS))),
)
SMTP_PORT: int = env.int(
    "SMTP_PORT", SMTP_DEFAULT_PORTS[SMTP_TLS], validate=validate.Range(1, 65535)
)
SMTP_USERNAME: str = env.str("SMTP_USERNAME", "")
SMTP_PASSWORD: str = env.str("SMTP_PASSWORD", "")
SMTP_LOCAL_HOSTNAME: str = _host_name("SMTP_LOCAL_HOSTNAME")
SMTP_CA_FILE: str = env.str("SMTP_CA_FILE", "")
SMTP_REPLY_TIMEOUT_SECONDS: float = _time_limit(
    "SMTP_REPLY_TIMEOUT_SECONDS", 45.0, most=SMTP_REPLY_MAX_SECONDS
)

SENDGRID_API_KEY: str = env.str("SENDGRID_API_KEY", "")
SENDGRID_API_URL: str = env.str("SENDGRID_API_URL", "https://api.sendgrid.com").rstrip("/")

# FCM_SERVICE_ACCOUNT_FILE is itself a path, so its value is not replaced by the file's content.
FCM_SERVICE_ACCOUNT_FILE: str = env.str("FCM_SERVICE_ACCOUNT_FILE", "")
FCM_API_URL: str = env.str("FCM_API_URL", "https://fcm.googleapis.com").rstrip("/")

# Maximum number of calls per second to a provider, for all workers together.
SMTP_MAX_PER_SECOND: float | None = _per_second("SMTP_MAX_PER_SECOND")
SENDGRID_MAX_PER_SECOND: float | None = _per_second("SENDGRID_MAX_PER_SECOND")
FCM_MAX_PER_SECOND: float | None = _per_second("FCM_MAX_PER_SECOND")

RETRY_MAX_ATTEMPTS: int = env.int("RETRY_MAX_ATTEMPTS", 12, validate=validate.Range(min=1))
RETRY_BASE_SECONDS: float = env.float("RETRY_BASE_SECONDS", 5.0, validate=validate.Range(min=0.1))
RETRY_MAX_SECONDS: float = env.float("RETRY_MAX_SECONDS", 600.0, validate=validate.Range(min=1))

# Retries of a mail whose outcome is unknown (it may have arrived), and the wait before each retry.
UNKNOWN_OUTCOME_RETRIES: int = env.int(
    "UNKNOWN_OUTCOME_RETRIES", 2, validate=validate.Range(min=0, max=20)
)
UNKNOWN_OUTCOME_WAITS_SECONDS: tuple[float, ...] = _seconds(
    "UNKNOWN_OUTCOME_WAITS_SECONDS", [300.0, 1800.0]
)

# How long notifications are kept after their last change.
RETENTION_DAYS: int = env.int(
    "RETENTION_DAYS", 90, validate=validate.Range(min=RETENTION_MIN_DAYS, max=RETENTION_MAX_DAYS)
)

# Numbers of processes, only to calculate connections. `make stack` and Compose start the processes.
WEB_PROCESSES: int = env.int("WEB_PROCESSES", 2, validate=validate.Range(min=1))
EMAIL_WORKERS: int = env.int("EMAIL_WORKERS", 1, validate=validate.Range(min=0))
PUSH_WORKERS: int = env.int("PUSH_WORKERS", 1, validate=validate.Range(min=0))

# Rate limits of callers.
RATE_LIMIT_NOTIFICATIONS: Rate = _rate("RATE_LIMIT_NOTIFICATIONS", "60000/m")
RATE_LIMIT_LOGIN: Rate = _rate("RATE_LIMIT_LOGIN", "10/m")
