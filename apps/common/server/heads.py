"""The head of a request as a WSGI environ (PEP 3333)."""

import sys
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from apps.common.server.answers import FileAnswer

# Replaces a value that is not ASCII. It is a control character, which no header parser accepts.
UNREADABLE = "\x7f"
# Headers whose lines are joined by another separator than a comma (RFC 9110, 5.3; RFC 6265, 5.4).
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
    """Return the environ key of a header; None for a header to drop.

    A name with an underscore is dropped, as nginx does: ``X_Forwarded_For`` would have the same key
    as ``X-Forwarded-For``. Proxies set the latter but pass the former on unchanged. The headers of
    body length and transfer encoding are dropped too, because the body has been read here.
    """
    text = name.decode("latin-1").lower()
    if "_" in text or text in {"content-length", "transfer-encoding"}:
        return None
    key = text.upper().replace("-", "_")
    return key if text == "content-type" else f"HTTP_{key}"


def add(environ: dict[str, Any], name: bytes, value: bytes) -> None:
    """Add a header line to the environ.

    A value that is not ASCII is replaced by ``UNREADABLE``, because its encoding (Latin-1 or UTF-8)
    is unknown. So, for example, an idempotency key with other characters is refused.
    """
    key = key_of(name)
    if key is None:
        return
    text = value.decode("ascii") if value.isascii() else UNREADABLE
    environ[key] = f"{environ[key]}{SEPARATORS.get(key, ',')}{text}" if key in environ else text


def set_target(environ: dict[str, Any], target: bytes) -> None:
    """Set path, query and host in the environ from the request target.

    Raises:
        ValueError: The target is neither a path nor a URL (RFC 9112, 3.2).
    """
    if target == b"*":
        environ["PATH_INFO"], environ["QUERY_STRING"] = "*", ""
        return
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError as error:
        raise ValueError(target) from error
    # WSGI represents bytes as Latin-1 text.
    environ["PATH_INFO"] = unquote_to_bytes(url.path or b"/").decode("latin-1")
    environ["QUERY_STRING"] = (url.query or b"").decode("latin-1")
    if url.host:
        # The host of an absolute URL has priority over the Host header (RFC 9112, 3.2.2).
        host = url.host.decode("latin-1")
        environ["HTTP_HOST"] = f"{host}:{url.port}" if url.port else host
