"""Errors outside of the REST framework: a problem document for programs, a page for browsers."""

import json
import sys
from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from apps.common.rest.error_pages import CSRF, error_page
from apps.common.rest.problems import (
    CONTENT_TYPE,
    DATABASE_RETRY_SECONDS,
    DEFAULT_CODES,
    DETAILS,
    problem_response,
)

PAGE = "text/html"
# What a caller may accept, the documents first: they are the answer to whoever has no preference.
OFFERED = (CONTENT_TYPE, "application/json", PAGE)
CSRF_DETAIL = "The form did not come with the token that this site gives to its own pages."


class ProblemMiddleware:
    """Answer errors in the form that the caller asked for.

    Programs get a problem document instead of Django's pages. Browsers get a page instead of a
    problem document, with the same status and headers. Pages with contents of their own, such as
    a form with its errors or the browsable API, stay as they are.
    """

    KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Process the request and replace the answer to an error."""
        # PostgreSQL cannot store or compare a NUL byte, so no path or query may contain one.
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            response = problem_response(request, 400, "The address contains a NUL byte.")
        else:
            response = self.get_response(request)
        if response.status_code < HTTPStatus.BAD_REQUEST or response.streaming:
            return response
        as_page = wants_page(request)
        if _has_type(response, PAGE) and (not as_page or _is_bare(response)):
            response = self._as_problem(request, response)
        if as_page and _has_type(response, CONTENT_TYPE):
            return error_page(request, response, json.loads(response.content))
        return response

    def _as_problem(self, request: HttpRequest, page: HttpResponse) -> HttpResponse:
        phrase = HTTPStatus(page.status_code).phrase
        return problem_response(
            request,
            page.status_code,
            DETAILS.get(page.status_code, f"{phrase}."),
            code=DEFAULT_CODES.get(page.status_code, "error"),
            headers={name: page[name] for name in self.KEPT_HEADERS if name in page},
        )


def _has_type(response: HttpResponse, media_type: str) -> bool:
    return response.get("Content-Type", "").startswith(media_type)


def _is_bare(page: HttpResponse) -> bool:
    """Return whether a page of an error says nothing of its own.

    Django answers nothing to a wrong method, and the REST framework the status alone where a view
    has pages only, such as those of the documentation.
    """
    renderer = getattr(page, "accepted_renderer", None)
    return not page.content or (renderer is not None and renderer.format == "html")


def wants_page(request: HttpRequest) -> bool:
    """Return whether the caller would rather have a page than a document, as browsers do."""
    # Read in full only if it can be so: the header of a hostile caller may be long.
    named = PAGE in request.headers.get("Accept", "")
    return named and request.get_preferred_type(list(OFFERED)) == PAGE


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refuses to read (``handler400``)."""
    status = 413 if isinstance(exception, RequestDataTooBig) else 400
    return problem_response(request, status, DETAILS[status])


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer ``PermissionDenied`` of a page (``handler403``)."""
    return problem_response(request, 403, DETAILS[403])


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown address (``handler404``)."""
    return problem_response(request, 404, DETAILS[404])


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer any other exception of a page (``handler500``).

    A database that does not answer is a 503 with the time after which to try again, as in the API.
    """
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        headers = {"Retry-After": str(DATABASE_RETRY_SECONDS)}
        return problem_response(request, 503, DETAILS[503], headers=headers)
    return problem_response(request, 500, DETAILS[500])


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without its CSRF token (``CSRF_FAILURE_VIEW``)."""
    if wants_page(request):
        return problem_response(request, 403, CSRF_DETAIL, code=CSRF)
    return problem_response(request, 403, DETAILS[403])
