"""Refuse requests with a ``Host`` that is not served; log this at most once a minute."""

import math
import threading
import time

import structlog
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware

from apps.common.rest.problems import problem_response

log = structlog.get_logger(__name__)

# Scanners send wrong hosts all day. One line a minute is enough to find a host that is missing in
# ALLOWED_HOSTS.
LOG_INTERVAL_SECONDS = 60.0
# A host name has at most 253 characters (RFC 1035, 2.3.4); a longer text is not a host name.
SHOWN_CHARACTERS = 253


class ServedHostMiddleware(CommonMiddleware):
    """Django's ``CommonMiddleware`` that returns a problem instead of ``DisallowedHost``."""

    def __init__(self, get_response: object) -> None:
        super().__init__(get_response)  # type: ignore[arg-type] # As wide as Django's own.
        self._lock = threading.Lock()
        self._logged_at = -math.inf

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override] # The stubs know redirects only.
        """Accept the hosts of ``settings.ALLOWED_HOSTS`` and refuse all others."""
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
        """Log at most one line a minute. Callers choose the host text, so cut and escape it."""
        now = time.monotonic()
        with self._lock:
            if now - self._logged_at < LOG_INTERVAL_SECONDS:
                return
            self._logged_at = now
        shown = host[:SHOWN_CHARACTERS].encode("unicode_escape").decode("ascii")
        log.warning("a host that is not served was asked for", host=shown)
