"""The correlation id of a request: in the response, the queue, the logs and provider calls.

The outermost middleware also writes the access log, because it sees every request and its id.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.common.ids import new_id

ACCEPTED_ID = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")
# W3C Trace Context: version, trace id, parent id, flags; an all-zero trace id is invalid.
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger("access")
# An unknown path is the caller's text.
SHOWN_CHARACTERS = 200

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def current_id() -> str:
    """Return the correlation id of the current request or task; empty outside of both."""
    return _current.get()


@contextmanager
def correlated(correlation_id: str, **context: str) -> Iterator[None]:
    """Bind a correlation id and further log context inside a ``with`` block."""
    token = _current.set(correlation_id)
    try:
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id, **context):
            yield
    finally:
        _current.reset(token)


def incoming_id(request: HttpRequest) -> str:
    """Return the caller's id if it is 1 to 128 printable ASCII characters, else a new one.

    ``X-Correlation-ID`` has priority over ``X-Request-ID``, and both have priority over W3C
    ``traceparent``, of which the trace id is used.
    """
    # Not ``request.headers``, which would parse all headers of each request.
    for header in ("HTTP_X_CORRELATION_ID", "HTTP_X_REQUEST_ID"):
        given: str = request.META.get(header, "")
        if ACCEPTED_ID.fullmatch(given):
            return given
    trace = TRACEPARENT.fullmatch(request.META.get("HTTP_TRACEPARENT", ""))
    return trace.group(1) if trace else str(new_id())


class CorrelationMiddleware:
    """Outermost middleware: sets the correlation id of each request and returns it in a header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._logs_access = settings.ACCESS_LOG

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Process the request with its correlation id bound to the context."""
        began = time.perf_counter()
        correlation_id = incoming_id(request)
        with correlated(correlation_id):
            response = self.get_response(request)
            if self._logs_access:
                _log_access(request, response, seconds=time.perf_counter() - began)
        response["X-Correlation-ID"] = correlation_id
        return response


def _log_access(request: HttpRequest, response: HttpResponse, *, seconds: float) -> None:
    """Write one line. It has the route and no query: those hold ids, addresses and tokens."""
    match = request.resolver_match
    route = f"/{match.route}" if match else request.path[:SHOWN_CHARACTERS]
    log.info(
        "request",
        method=request.method,
        route=route,
        status=response.status_code,
        duration_ms=round(seconds * 1000, 1),
    )
