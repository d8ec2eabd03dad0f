"""Refuses a ``Host`` that is not served, and says so to the caller and, seldom, in the log."""

import math
import threading
import time

import structlog
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware

from apps.common.rest.problems import problem_response

log = structlog.get_logger(__name__)

# Scanners ask for hosts all day; a host that was forgotten in ALLOWED_HOSTS is seen in one line.
LOG_INTERVAL_SECONDS = 60.0
# A name has at most 253 characters (RFC 1035, 2.3.4); whatever is longer is none.
SHOWN_CHARACTERS = 253


class ServedHostMiddleware(CommonMiddleware):
    """Django's middleware, with a problem where it would raise ``DisallowedHost``."""

    def __init__(self, get_response: object) -> None:
        super().__init__(get_response)  # type: ignore[arg-type] # As wide as Django's own.
        self._lock = threading.Lock()
        self._logged_at = -math.inf

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override] # The stubs know redirects only.
        """Let served hosts on, which are those of ``settings.ALLOWED_HOSTS``."""
        try:
            return super().process_request(request)
        except DisallowedHost:
            self._log(request.META.get("HTTP_HOST", ""))
            return problem_response(
                request,
                400,
                "The host of this request is not served here: ALLOWED_HOSTS does not name it.",
                code="host_not_served",
            )

    def _log(self, host: str) -> None:
        """Write one line a minute; strangers choose the text, so it is cut and escaped."""
        now = time.monotonic()
        with self._lock:
            if now - self._logged_at < LOG_INTERVAL_SECONDS:
                return
            self._logged_at = now
        shown = host[:SHOWN_CHARACTERS].encode("unicode_escape").decode("ascii")
        log.warning("a host that is not served was asked for", host=shown)
