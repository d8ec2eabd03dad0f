"""Read pages over HTTP or HTTPS on loopback; every certificate is accepted."""

import base64
import ssl
import urllib.error
import urllib.request
from typing import Any


def unverified() -> ssl.SSLContext:
    """Return a context that accepts every certificate: the server is a container of ours."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing, so that a redirect is seen as such."""


def fetch(address: str, *, login: str = "") -> str:
    """Return the body of a page."""
    request = urllib.request.Request(address)  # noqa: S310 - loopback.
    if login:
        token = base64.b64encode(login.encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    with urllib.request.urlopen(request, timeout=20, context=unverified()) as answer:  # noqa: S310 - loopback.
        return str(answer.read().decode())


def refused_status(address: str) -> int:
    """Return the status of an answer that is not a success, or a redirect."""
    opener = urllib.request.build_opener(
        _NoRedirects(), urllib.request.HTTPSHandler(context=unverified())
    )
    try:
        with opener.open(address, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
