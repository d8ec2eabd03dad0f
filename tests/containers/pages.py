"""Read pages over HTTP or HTTPS on loopback."""

import base64
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CERTIFICATES = "SSL_CERT_FILE"


@contextmanager
def trusting(authority: Path) -> Iterator[None]:
    """Trust the certificates of an authority, and no other, inside the block."""
    before = os.environ.get(CERTIFICATES)
    # OpenSSL reads it for each new context.
    os.environ[CERTIFICATES] = str(authority)
    try:
        yield
    finally:
        del os.environ[CERTIFICATES]
        if before is not None:
            os.environ[CERTIFICATES] = before


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing, so that a redirect is seen as such."""


def fetch(address: str, *, login: str = "") -> str:
    """Return the body of a page."""
    request = urllib.request.Request(address)  # noqa: S310 - loopback.
    if login:
        token = base64.b64encode(login.encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback.
        return str(answer.read().decode())


def refused_status(address: str) -> int:
    """Return the status of an answer that is not a success, or a redirect."""
    opener = urllib.request.build_opener(_NoRedirects())
    try:
        with opener.open(address, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
