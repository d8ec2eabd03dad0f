"""Judge and convert the addresses of the database, the broker and Redis.

No message contains the address, because it holds a password.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import dj_database_url

POSTGRESQL_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg", "pgsql")
REDIS_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    # Valkey speaks the protocol of Redis; the client library knows only the older names.
    "valkey": "redis",
    "valkeys": "rediss",
}
BROKER_SCHEMES = ("amqp", "amqps")
DATABASE_EXAMPLE = "postgres://user:password@host:5432/name"
REDIS_EXAMPLE = "redis://host:6379/0"
BROKER_EXAMPLE = "amqp://user:password@host:5672/vhost"

# Django's own options; all others are libpq's.
DJANGO_OPTIONS = {"isolation_level", "server_side_binding", "assume_role", "currentSchema"}

HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(:(?P<port>[0-9]{1,5})?)?")
HIGHEST_PORT = 65535


def database(given: str) -> str:
    """Return a valid address of PostgreSQL or SQLite.

    Raises:
        ValueError: It is not valid; the message says why.
    """
    scheme = _scheme(given, (*POSTGRESQL_SCHEMES, "sqlite"), DATABASE_EXAMPLE)
    if scheme != "sqlite":
        parts = _split(given, DATABASE_EXAMPLE)
        _hosts(parts)
        _refuse_unknown_options(parts)
    try:
        config = database_config(given)
    except (ValueError, dj_database_url.ParseError) as error:
        raise ValueError(_not_like(DATABASE_EXAMPLE)) from error
    if not config["NAME"] and "service" not in config.get("OPTIONS", {}):
        message = f"names no database. Write it as {DATABASE_EXAMPLE}."
        raise ValueError(message)
    return given


def database_config(address: str) -> dict[str, Any]:
    """Return Django's settings for a database address.

    libpq tries several hosts one after the other (``h1:5432,h2:5432``). The URL parsers of Python
    know one host only, so they get the address without hosts.
    """
    scheme, _, rest = address.partition("://")
    if scheme not in POSTGRESQL_SCHEMES:
        return dict(dj_database_url.parse(address))
    parts = urlsplit(f"postgres://{rest}")
    user, at, _ = parts.netloc.rpartition("@")
    config: dict[str, Any] = dict(dj_database_url.parse(parts._replace(netloc=user + at).geturl()))
    hosts = _hosts(parts)
    config["HOST"] = ",".join(host for host, _ in hosts)
    ports = [port for _, port in hosts]
    config["PORT"] = ",".join(ports) if any(ports) else ""
    return config


def redis(given: str) -> str:
    """Return a valid address of Redis; several with commas are a primary and its replicas.

    Raises:
        ValueError: It is not valid; the message says why.
    """
    return ",".join(_one_redis(one) for one in given.split(","))


def broker(given: str) -> str:
    """Return a valid address of RabbitMQ; several with semicolons are tried in this order.

    Raises:
        ValueError: It is not valid; the message says why.
    """
    for one in given.split(";"):
        _scheme(one, BROKER_SCHEMES, BROKER_EXAMPLE)
        parts = _split(one, BROKER_EXAMPLE)
        _one_host(parts, BROKER_EXAMPLE)
        _heartbeat(parts)
    return given


def broker_address(address: str) -> str:
    """Return the broker's address without its query, which Celery's client does not read."""
    return ";".join(one.partition("?")[0] for one in address.split(";"))


def broker_heartbeat(address: str) -> int | None:
    """Return the seconds of ``?heartbeat=`` in a valid address, or None."""
    return next(filter(None, (_heartbeat(urlsplit(one)) for one in address.split(";"))), None)


def _heartbeat(parts: SplitResult) -> int | None:
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    seconds = query.pop("heartbeat", None)
    if query:
        message = "has options that are not supported; heartbeat is the only one."
        raise ValueError(message)
    if seconds is not None and not re.fullmatch(r"[1-9][0-9]{0,3}", seconds):
        message = "has a heartbeat that is not a number of seconds from 1 to 9999."
        raise ValueError(message)
    return None if seconds is None else int(seconds)


def _one_redis(given: str) -> str:
    if "sentinel" in given.partition("://")[0].lower() and "://" in given:
        message = f"Redis Sentinel is not supported. Write it as {REDIS_EXAMPLE}."
        raise ValueError(message)
    scheme = REDIS_SCHEMES[_scheme(given, REDIS_SCHEMES, REDIS_EXAMPLE)]
    parts = _split(given, REDIS_EXAMPLE)
    if scheme != "unix":
        _one_host(parts, REDIS_EXAMPLE)
        if not re.fullmatch(r"/?[0-9]{0,5}", parts.path):
            message = f"its database is not a number. Write it as {REDIS_EXAMPLE}."
            raise ValueError(message)
    elif parts.netloc.rpartition("@")[2] or len(parts.path) <= 1:
        message = "names no socket. Write it as unix:///run/redis/redis.sock?db=0."
        raise ValueError(message)
    address = f"{scheme}://{given.partition('://')[2]}"
    _refuse_unknown_redis_options(address)
    return address


def _refuse_unknown_redis_options(address: str) -> None:
    from redis import ConnectionPool, RedisError  # noqa: PLC0415 - only where Redis is configured.

    try:
        # This creates the connection's object. Nothing is sent.
        ConnectionPool.from_url(address).make_connection()
    except (TypeError, ValueError, RedisError) as error:
        message = "has an option that the client of Redis does not know or cannot read."
        raise ValueError(message) from error


def _refuse_unknown_options(parts: SplitResult) -> None:
    from psycopg.pq import Conninfo  # noqa: PLC0415 - only where PostgreSQL is configured.

    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    known = DJANGO_OPTIONS | {option.keyword.decode() for option in Conninfo.get_defaults()}
    if unknown := sorted(names - known):
        message = f"has options that PostgreSQL's client does not know: {', '.join(unknown)}."
        raise ValueError(message)


def _scheme(given: str, known: Iterable[str], example: str) -> str:
    """Return the scheme of an address.

    Raises:
        ValueError: It has none, it is not one of the known, or the address is in quotation marks.
    """
    if given[0] in "'\"" or given[-1] in "'\"":
        message = "is in quotation marks, which are part of the value here. Remove them."
        raise ValueError(message)
    scheme, separator, _ = given.partition("://")
    if not separator:
        message = f"has no scheme. Write it as {example}."
        raise ValueError(message)
    if scheme.lower() not in known:
        # What is before the first :// may hold a password, if it is no scheme.
        shown = f"{scheme}://" if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,30}", scheme) else "this"
        message = f"{shown} is not supported. Use one of {', '.join(known)}, as in {example}."
        raise ValueError(message)
    if scheme != scheme.lower():
        message = f"write {scheme.lower()}:// in small letters."
        raise ValueError(message)
    return scheme


def _split(given: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(given)
    except ValueError as error:
        raise ValueError(_not_like(example)) from error
    if parts.fragment or given.endswith("#") or re.search(r"[\s\x00-\x1f]", given):
        raise ValueError(_not_like(example))
    return parts


def _one_host(parts: SplitResult, example: str) -> None:
    if len(hosts := _hosts(parts)) != 1 or not hosts[0][0]:
        message = f"must name one host. Write it as {example}."
        raise ValueError(message)


def _hosts(parts: SplitResult) -> list[tuple[str, str]]:
    """Return the hosts of an address, each with its port or an empty text.

    Raises:
        ValueError: A host or a port is not valid.
    """
    found = []
    for one in parts.netloc.rpartition("@")[2].split(","):
        match = HOST_AND_PORT.fullmatch(one)
        port = (match and match["port"]) or ""
        if match is None or (port and not 1 <= int(port) <= HIGHEST_PORT):
            raise ValueError(_not_like("host:port", "has a port that is not a number"))
        found.append((unquote(match["host"].strip("[]")), port))
    return found


def _not_like(example: str, problem: str = "is not a valid address") -> str:
    return (
        f"{problem}. Write it as {example}, with the special characters of a name or password "
        "as %40 (@), %2F (/), %23 (#), %3A (:) or %25 (%)."
    )
