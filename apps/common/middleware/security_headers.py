"""Security headers on every response, including errors and static files."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# Data is not a page: if a browser displays it as one, nothing may load or run.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
# The admin, the browsable API and the documentation load their scripts as files from this server.
# Their libraries add inline styles; Redoc creates its search worker from a blob.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class SecurityHeadersMiddleware:
    """Add the security headers that are missing; a view may set its own policy.

    It runs outside of Django's ``SecurityMiddleware``, which sends HSTS over TLS only. Here TLS
    ends at the proxy in front, which passes the header on. Browsers ignore the header without TLS
    (RFC 6797, 8.1).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Process the request and add the headers to the response."""
        response = self.get_response(request)
        page = response.get("Content-Type", "").startswith("text/html")
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if settings.SECURE_HSTS_SECONDS:
            response.headers.setdefault("Strict-Transport-Security", _hsts())
        return response


def _hsts() -> str:
    return "; ".join(
        [
            f"max-age={settings.SECURE_HSTS_SECONDS}",
            *(["includeSubDomains"] if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else []),
            *(["preload"] if settings.SECURE_HSTS_PRELOAD else []),
        ]
    )
