"""The content security policy of pages with a frame."""

from django.http import HttpResponse

from apps.common.middleware.security_headers import PAGE_POLICY


def with_frames(page: HttpResponse) -> HttpResponse:
    """Let a page show frames of this server, such as the HTML of a mail."""
    page["Content-Security-Policy"] = f"{PAGE_POLICY}; frame-src 'self'"
    return page
