"""The head of a request as WSGI hands it to an application (PEP 3333)."""

import sys
from functools import lru_cache
from typing import Any

from granian.rsgi import Scope

from apps.common.server.answers import FileAnswer

# Stands for a value that is not ASCII: a control character, which no reader of a header takes.
UNREADABLE = "\x7f"
# The headers whose lines are joined by something else than a comma (RFC 9110, 5.3; RFC 6265, 5.4).
SEPARATORS = {"HTTP_COOKIE": "; "}

CONSTANT: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.file_wrapper": FileAnswer,
    "wsgi.errors": sys.stderr,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


@lru_cache(maxsize=1024)
def key_of(name: str) -> str | None:
    """Return the key of a header, given its name in small letters; None for one to leave out.

    A name with an underscore is left out, as nginx does: ``X_Forwarded_For`` would have the key of
    ``X-Forwarded-For``, which proxies set, but which they let through when it is written so. What
    tells how the body comes is left out as well, because the body has come.
    """
    if "_" in name or name in {"content-length", "transfer-encoding"}:
        return None
    key = name.upper().replace("-", "_")
    return key if name == "content-type" else f"HTTP_{key}"


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the environ of a request without what belongs to its body.

    The server hands out values of ASCII characters alone. Another value stands as ``UNREADABLE``,
    so that, for example, an idempotency key of other characters is refused rather than unseen.
    """
    environ = CONSTANT.copy()
    environ["REQUEST_METHOD"] = scope.method
    # WSGI hands bytes over as Latin-1.
    environ["PATH_INFO"] = scope.path.encode().decode("latin-1")
    environ["QUERY_STRING"] = scope.query_string
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope.http_version}"
    environ["SERVER_NAME"], environ["SERVER_PORT"] = _host_and_port(scope.server)
    environ["REMOTE_ADDR"], _ = _host_and_port(scope.client)
    environ["wsgi.url_scheme"] = scope.scheme
    headers = scope.headers
    lines = headers.items()
    for name, value in lines:
        key = key_of(name)
        if key is None:
            continue
        before = f"{environ[key]}{SEPARATORS.get(key, ',')}" if key in environ else ""
        environ[key] = f"{before}{value}"
    names = headers.keys()
    if len(names) > len(lines) or len(names) > len({name for name, _ in lines}):
        for name in names:
            key = key_of(name)
            if key is not None:
                environ.setdefault(key, UNREADABLE)
    if scope.authority is not None:
        # HTTP/2 names the host so; of an absolute address it is what counts (RFC 9112, 3.2.2).
        environ["HTTP_HOST"] = scope.authority
    return environ


def _host_and_port(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port
