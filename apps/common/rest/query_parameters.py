"""Query parameters, validated as strictly as bodies, with a pointer to each error."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from rest_framework.request import Request

from apps.common.rest.problems import FieldError, Problem, response_to
from apps.common.rest.serializers import StrictSerializer

# Pagination and the browsable API have their own parameters.
OTHER_PARAMETERS = frozenset({"cursor", "page_size", "format"})

# The admin belongs to Django, and some of its filters accept several values.
NOT_OURS = "/admin/"


class OneValueQuery(QueryDict):
    """A query in which each parameter may have one value only; no parameter is a list here.

    Django would use the last value and silently drop the others.
    """

    def __getitem__(self, name: str) -> Any:
        """Return the value.

        Raises:
            Problem: 400 if there are several values.
        """
        if len(self.getlist(name)) > 1:
            detail = "This parameter takes one value and is given more than once."
            error = FieldError(pointer=f"?{name}", code="repeated", detail=detail)
            raise Problem(400, "The query is not valid.", code="invalid", errors=[error])
        return super().__getitem__(name)


class OneValueMiddleware:
    """Refuse a repeated query parameter when a view reads it.

    The check runs on reading, so that a caller without permission gets the permission error first.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Process the request with a ``OneValueQuery`` if a parameter is repeated."""
        # Most calls have no query or one parameter, so their query is not parsed here.
        several = "&" in request.META.get("QUERY_STRING", "")
        if several and not request.path_info.startswith(NOT_OURS):
            given = request.GET
            if any(len(values) > 1 for _, values in given.lists()):
                query = OneValueQuery(mutable=True)
                for name, values in given.lists():
                    query.setlist(name, values)
                request.GET = query  # type: ignore[assignment] # Mutable, but no code changes it.
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Convert a problem of a page view to a response; API views do this themselves."""
        if not isinstance(error, Problem):
            return None
        return response_to(request, error)


def checked_query(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """Validate the query parameters.

    Raises:
        Problem: 400 with an error at ``?name`` for each unknown or malformed parameter.
    """
    given = {
        name: value for name, value in request.query_params.items() if name not in OTHER_PARAMETERS
    }
    return validated(serializer(data=given), what="query", prefix="?")


def validated(given: StrictSerializer, *, what: str, prefix: str) -> dict[str, Any]:
    """Return the values of a flat set of fields.

    Args:
        given: The serializer with its data.
        what: Where the fields are, as a person reads it.
        prefix: What a pointer to one of them begins with.

    Raises:
        Problem: 400 with a pointer to each field that is unknown or malformed.
    """
    if not given.is_valid():
        raise Problem(
            400,
            f"The {what} is not valid.",
            code="invalid",
            errors=[
                FieldError(pointer=f"{prefix}{name}", code=detail.code, detail=str(detail))
                for name, details in given.errors.items()
                for detail in details
            ],
        )
    return dict(given.validated_data)
