"""Refuse values that are safe in the embedded mode only, where a server is configured.

No message contains a secret, or its length.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from itertools import pairwise
from urllib.parse import unquote, urlsplit

# A signature can be tried out against every key, as fast as an attacker's machines allow: 32
# characters of the smallest usual alphabet (hexadecimal) are 128 bits. Django's own check asks for
# 50 and warns (security.W009); here a strong key that is shorter must not stop an upgrade.
KEY_CHARACTERS = 32
# A token or password can be tried at the speed of this installation only. It needs so many
# characters, and so many that are no part of a well-known word: OldFlower4711 is not guessed soon.
TOKEN_CHARACTERS, TOKEN_OWN_CHARACTERS = 8, 4
# As Django's check.
LEAST_DIFFERENT_CHARACTERS = 5
# Random text of a small alphabet has repeated pairs too, the more the longer it is.
JUDGED_CHARACTERS = 64

DEVELOPMENT_PREFIX = "django-insecure-"
# Words that stand in for a secret in documents and examples, or that everybody tries first. They
# have five letters or eight digits, or end with a separator: in random text they are too rare to
# make a key shorter.
WELL_KNOWN = re.compile(
    "|".join(
        (
            *("change[-_ ]?(?:me|this|it)", "replace[-_ ]?(?:me|this|it)?", "your[-_ ]", "my[-_ ]"),
            *("secrets?", "s3cret", "passw(?:or|0r)ds?", "passphrase", "token", "private"),
            *("admin(?:istrator)?", "guest", "letmein", "welcome", "default", "root[-_ ]"),
            *(
                "django",
                "insecure",
                "unsafe",
                "placeholder",
                "example",
                "sample",
                "dummy",
                "unused",
            ),
            *("development", "production", "staging", "testing", "tests?[-_ ]", "local(?:host)?"),
            *("notifications?", "flower", "metrics", "prometheus", "grafana", "rabbitmq"),
            *("postgres(?:ql)?", "redis"),
            *("qwerty(?:uiop)?", "qwertz", "abcdefghijklmnopqrstuvwxyz", "abcdef", "foobar"),
            *("0?12345678(?:90?)?", "deadbeef", "key[-_ ]"),
        )
    ),
    re.IGNORECASE,
)

# Nobody can register a name below one of these (RFC 6761; ICANN reserved .internal).
PRIVATE_DOMAINS = frozenset({"internal", "local", "localhost", "test"})

MAKE_A_KEY = (
    "Make another one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'. "
    "docs/deployment.md says how an installation that runs changes it."
)
MAKE_A_TOKEN = "Make another one: python3 -c 'import secrets; print(secrets.token_urlsafe(24))'."  # noqa: S105 - says how.


def secret_key(key: str) -> None:
    """Judge a key that signs sessions, tokens and links.

    Raises:
        ValueError: It can be guessed; the message says why.
    """
    if key.startswith(DEVELOPMENT_PREFIX):
        message = f"can be guessed: {DEVELOPMENT_PREFIX} marks keys for development. {MAKE_A_KEY}"
        raise ValueError(message)
    _refuse_guessable(key, least=KEY_CHARACTERS, own=KEY_CHARACTERS, remedy=MAKE_A_KEY)


def token(given: str) -> None:
    """Judge a bearer token.

    Raises:
        ValueError: It can be guessed; the message says why.
    """
    _refuse_guessable(given, least=TOKEN_CHARACTERS, own=TOKEN_OWN_CHARACTERS, remedy=MAKE_A_TOKEN)


def logins(given: str) -> None:
    """Judge logins as Flower reads them: ``name:password``, several with commas.

    Raises:
        ValueError: One has no name, or a password that can be guessed.
    """
    for login in given.split(","):
        name, _, password = login.strip().partition(":")
        if not name or not password:
            message = "must be name:password, or several of these with commas."
            raise ValueError(message)
        token(password)


def hosts(given: list[str]) -> None:
    """Judge the hosts that are answered.

    Raises:
        ValueError: A pattern covers hosts that belong to others.
    """
    wide = [host for host in given if _covers_others(host.strip())]
    if wide:
        message = (
            f"{', '.join(wide)!r} covers hosts that belong to others, and links would lead to the "
            "host that a caller names. List the names of this installation, such as "
            "notify.example.com, or .example.com for all names of a domain of yours."
        )
        raise ValueError(message)


def debugging(on: bool) -> None:  # noqa: FBT001 - a judge takes the value alone.
    """Judge the switch for detailed error pages.

    Raises:
        ValueError: It is on.
    """
    if on:
        message = (
            "must be off when a server is configured: pages of errors would show settings and code "
            "to every caller. Remove it."
        )
        raise ValueError(message)


def guessable_passwords(addresses: Mapping[str, str]) -> list[str]:
    """Return the variables whose address has a password that can be guessed, on another machine.

    On loopback the usual ones, such as ``guest``, are right for development. An address without a
    password is not named: the server may have other means, such as certificates.
    """
    return [
        name
        for name, address in addresses.items()
        if any(_has_guessable_password(one) for one in re.split(r"[;,](?=\w+://)", address))
    ]


def _has_guessable_password(address: str) -> bool:
    credentials, _, hosts = urlsplit(address).netloc.rpartition("@")
    password = unquote(credentials.partition(":")[2])
    if not password or all(_is_loopback(host) for host in hosts.split(",")):
        return False
    try:
        token(password)
    except ValueError:
        return True
    return False


def _is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine; no host is a socket."""
    name = re.sub(r":[0-9]*$", "", host).strip("[]")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name in {"", "localhost"}


def _refuse_guessable(secret: str, *, least: int, own: int, remedy: str) -> None:
    rest = WELL_KNOWN.sub("", secret)
    if len(secret) < least:
        message = f"can be guessed: it has fewer than {least} characters. {remedy}"
        raise ValueError(message)
    if len(rest) < own:
        message = (
            f"can be guessed: without well-known words such as changeme it has fewer than {own} "
            f"characters. {remedy}"
        )
        raise ValueError(message)
    judged = (rest if len(rest) >= least else secret)[:JUDGED_CHARACTERS]
    pairs = set(pairwise(judged))
    if len(set(judged)) < LEAST_DIFFERENT_CHARACTERS or 2 * len(pairs) < len(judged) - 1:
        message = f"can be guessed: it repeats itself, or has few different characters. {remedy}"
        raise ValueError(message)


def _covers_others(host: str) -> bool:
    """Return whether a pattern is a wildcard for more than the names of one domain."""
    if "*" in host:
        return True
    domain = host.strip(".").lower()
    return host.startswith(".") and "." not in domain and domain not in PRIVATE_DOMAINS
