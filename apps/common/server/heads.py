"""The head of a request as WSGI hands it to an application (PEP 3333)."""

import sys
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from apps.common.server.answers import FileAnswer

# Stands for a value that is not ASCII: a control character, which no reader of a header takes.
UNREADABLE = "\x7f"
# The headers whose lines are joined by something else than a comma (RFC 9110, 5.3; RFC 6265, 5.4).
SEPARATORS = {"HTTP_COOKIE": "; "}

CONSTANT: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.errors": sys.stderr,
    "wsgi.file_wrapper": FileAnswer,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.url_scheme": "http",
    "wsgi.version": (1, 0),
}


@lru_cache(maxsize=1024)
def key_of(name: bytes) -> str | None:
    """Return the key of a header; None for one to leave out.

    A name with an underscore is left out, as nginx does: ``X_Forwarded_For`` would have the key of
    ``X-Forwarded-For``, which proxies set, but which they let through when it is written so. What
    tells how the body comes is left out as well, because the body has come.
    """
    text = name.decode("latin-1").lower()
    if "_" in text or text in {"content-length", "transfer-encoding"}:
        return None
    key = text.upper().replace("-", "_")
    return key if text == "content-type" else f"HTTP_{key}"


def add(environ: dict[str, Any], name: bytes, value: bytes) -> None:
    """Add a line of the head to the environ.

    A value that is not ASCII stands as ``UNREADABLE``: whether it was meant as Latin-1 or as UTF-8
    is unknown, so that, for example, an idempotency key of other characters is refused.
    """
    key = key_of(name)
    if key is None:
        return
    text = value.decode("ascii") if value.isascii() else UNREADABLE
    environ[key] = f"{environ[key]}{SEPARATORS.get(key, ',')}{text}" if key in environ else text


def set_target(environ: dict[str, Any], target: bytes) -> None:
    """Set path, query and host from what is asked for.

    Raises:
        ValueError: It is no path and no address (RFC 9112, 3.2).
    """
    if target == b"*":
        environ["PATH_INFO"], environ["QUERY_STRING"] = "*", ""
        return
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError as error:
        raise ValueError(target) from error
    # WSGI hands bytes over as Latin-1.
    environ["PATH_INFO"] = unquote_to_bytes(url.path or b"/").decode("latin-1")
    environ["QUERY_STRING"] = (url.query or b"").decode("latin-1")
    if url.host:
        # Of an absolute address the host counts, and not the header (RFC 9112, 3.2.2).
        host = url.host.decode("latin-1")
        environ["HTTP_HOST"] = f"{host}:{url.port}" if url.port else host
