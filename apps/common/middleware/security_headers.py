"""What every answer tells browsers to refuse, errors and static files included."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# Data is never a page: whoever makes a browser show it as one finds nothing that loads or runs.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
# The admin, the browsable API and the documentation bring their scripts as files of this server.
# Their libraries write styles into the page; Redoc makes its search worker from a blob.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class SecurityHeadersMiddleware:
    """Adds what is missing; a page with a policy of its own keeps it.

    Outside of Django's ``SecurityMiddleware``, which sends HSTS over TLS only: here TLS ends at the
    proxy in front, which passes the header on (RFC 6797, 8.1, has browsers ignore it without TLS).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with the headers."""
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
