"""All error responses as RFC 9457 ``application/problem+json``."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from apps.common.middleware.correlation import current_id
from apps.common.rest import problem_types

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
# A restart of the database takes a few seconds.
DATABASE_RETRY_SECONDS = 5
# RFC 6901: the two characters that are escaped in a JSON pointer.
POINTER_ESCAPES = str.maketrans({"~": "~0", "/": "~1"})

DEFAULT_CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}
# What to say about a status where nothing else is known.
DETAILS = {
    400: "The request is not valid.",
    403: "This is not allowed with this credential.",
    404: "There is nothing here.",
    405: "This method is not allowed here.",
    413: "The body is too large.",
    500: "Something went wrong on our side; the correlation id finds it.",
    503: "The database does not answer; try again soon.",
}


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One error in the request and its location.

    Attributes:
        pointer: RFC 6901 JSON pointer into the body, such as ``/variables/name``. For a query
            parameter: ``?`` and its name.
        code: A constant word for programs.
        detail: A sentence for people.
    """

    pointer: str
    code: str
    detail: str


class Problem(exceptions.APIException):
    """An exception that becomes a problem response.

    Args:
        status: HTTP status.
        detail: A sentence for people, without personal data.
        code: A word for programs; by default the code of the status in ``DEFAULT_CODES``.
        errors: The errors in the request and their locations.
        headers: Additional response headers, such as ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status_code = status
        self.problem_code = code or DEFAULT_CODES[status]
        self.errors = list(errors)
        self.headers = dict(headers or {})


def invalid(pointer: str, code: str, detail: str) -> Problem:
    """Return a 400 problem for one invalid part of the request."""
    return Problem(
        400,
        "The request is not valid.",
        code="invalid",
        errors=[FieldError(pointer=pointer, code=code, detail=detail)],
    )


def impossible(pointer: str, code: str, detail: str) -> Problem:
    """Return a 422 problem for a well-formed request that cannot be executed."""
    return Problem(
        422,
        detail,
        code=code,
        errors=[FieldError(pointer=pointer, code=code, detail=detail)],
    )


def pointer_to(*steps: str | int) -> str:
    """Join keys and indexes into an RFC 6901 JSON pointer."""
    return "".join(f"/{str(step).translate(POINTER_ESCAPES)}" for step in steps)


def problem_body(
    *,
    status: int,
    detail: str,
    code: str,
    instance: str,
    errors: Iterable[FieldError] = (),
) -> dict[str, Any]:
    """Build the members of a problem document."""
    return {
        **problem_types.members_of(status, code),
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "correlation_id": current_id(),
        "errors": [asdict(error) for error in errors],
    }


def problem_response(
    request: HttpRequest,
    status: int,
    detail: str,
    *,
    code: str | None = None,
    errors: Iterable[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return a problem response outside of the REST framework.

    Args:
        request: The request that it answers.
        status: HTTP status.
        detail: A sentence for people, without personal data.
        code: A word for programs; by default the code of the status in ``DEFAULT_CODES``.
        errors: The errors in the request and their locations.
        headers: Additional response headers, such as ``Retry-After``.
    """
    body = problem_body(
        status=status,
        detail=detail,
        code=code or DEFAULT_CODES[status],
        instance=request.path,
        errors=errors,
    )
    return HttpResponse(
        json.dumps(body), status=status, content_type=CONTENT_TYPE, headers=dict(headers or {})
    )


def response_to(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Return the response of a problem that was raised outside of the REST framework."""
    return problem_response(
        request,
        problem.status_code,
        str(problem.detail),
        code=problem.problem_code,
        errors=problem.errors,
        headers=problem.headers,
    )


def field_errors(detail: Any, *steps: str | int) -> Iterator[FieldError]:
    """Flatten the nested detail of a REST framework ``ValidationError`` into field errors."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            inner = steps if key == "non_field_errors" else (*steps, key)
            yield from field_errors(value, *inner)
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, Mapping | list)
            yield from field_errors(value, *((*steps, index) if nested else steps))
    else:
        yield FieldError(
            pointer=pointer_to(*steps), code=getattr(detail, "code", "invalid"), detail=str(detail)
        )


def _as_problem(error: Exception) -> Problem | None:  # noqa: PLR0911 - one return for each type.
    match error:
        case Problem():
            return error
        case exceptions.ValidationError():
            return Problem(
                400,
                "The request is not valid.",
                code="invalid",
                errors=field_errors(error.detail),
            )
        case Http404():
            return Problem(404, DETAILS[404])
        case PermissionDenied():
            return Problem(403, DETAILS[403])
        case RequestDataTooBig():
            return Problem(413, DETAILS[413])
        case SuspiciousOperation():
            return Problem(400, DETAILS[400])
        case exceptions.APIException():
            headers = {}
            if challenge := getattr(error, "auth_header", None):
                headers["WWW-Authenticate"] = challenge
            if (wait := getattr(error, "wait", None)) is not None:
                headers["Retry-After"] = str(int(wait))
            code = error.get_codes()
            return Problem(
                error.status_code,
                str(error.detail),
                code=code if isinstance(code, str) else None,
                headers=headers,
            )
        case _:
            return None


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Convert any exception of a REST framework view to a problem (``EXCEPTION_HANDLER``)."""
    problem = _as_problem(error)
    request = context["request"]
    if isinstance(error, OperationalError | InterfaceError):
        # The database is unavailable or overloaded. Nothing was stored, so the caller may retry.
        log.warning("no answer from the database", path=request.path, error=type(error).__name__)
        headers = {"Retry-After": str(DATABASE_RETRY_SECONDS)}
        problem = Problem(503, DETAILS[503], headers=headers)
    if problem is None:
        log.error("request failed", path=request.path, method=request.method, exc_info=error)
        problem = Problem(500, DETAILS[500])
    if isinstance(error, exceptions.MethodNotAllowed):
        problem.headers["Allow"] = ", ".join(context["view"].allowed_methods)
    body = problem_body(
        status=problem.status_code,
        detail=str(problem.detail),
        code=problem.problem_code,
        instance=request.path,
        errors=problem.errors,
    )
    # The browsable API and the documentation pages return HTML with an HTML content type.
    renderer = getattr(request, "accepted_renderer", None)
    shown_as_page = renderer is not None and renderer.format in {"api", "html"}
    return Response(
        body,
        status=problem.status_code,
        headers=problem.headers,
        content_type=None if shown_as_page else CONTENT_TYPE,
    )
