"""Query parameters, validated like bodies: strict, and with a pointer to what is wrong."""

from typing import Any

from rest_framework.request import Request

from apps.common.problems import FieldError, Problem
from apps.common.serializers import StrictSerializer

# Paging and the browsable API have parameters of their own.
OTHER_PARAMETERS = frozenset({"cursor", "page_size", "format"})


def checked_query(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """Validate the query parameters.

    Raises:
        Problem: 400 at ``?name`` for each that is unknown or malformed.
    """
    given = {
        name: value for name, value in request.query_params.items() if name not in OTHER_PARAMETERS
    }
    query = serializer(data=given)
    if not query.is_valid():
        raise Problem(
            400,
            "The query is not valid.",
            code="invalid",
            errors=[
                FieldError(pointer=f"?{name}", code=detail.code, detail=str(detail))
                for name, details in query.errors.items()
                for detail in details
            ],
        )
    return dict(query.validated_data)
