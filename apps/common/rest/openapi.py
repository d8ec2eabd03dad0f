"""The OpenAPI 3.1 document: bodies from msgspec classes, and the problems of every operation."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from drf_spectacular.openapi import AutoSchema

from apps.common.rest.problems import CONTENT_TYPE, DEFAULT_CODES, DETAILS

# The parts of an example problem that depend on its status.
EXAMPLE_ERRORS: dict[int, list[dict[str, str]]] = {
    400: [
        {
            "pointer": "/nonsense",
            "code": "unknown_field",
            "detail": "Object contains unknown field `nonsense`.",
        }
    ],
    422: [{"pointer": "/user_id", "code": "unknown_user", "detail": "There is no such user."}],
}
EXAMPLE_DETAILS = {
    **DETAILS,
    401: "Authentication credentials were not provided.",
    408: "The body did not come in time.",
    409: "The state of the resource forbids this.",
    413: "The body is larger than 262144 bytes.",
    415: "Unsupported media type in request.",
    422: "There is no such user.",
    429: "Too many requests; try again later.",
    503: "The service is busy; try again in a moment.",
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "correlation_id",
        "errors",
    ],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def body_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the OpenAPI content of a JSON request body, from the class that decodes it."""
    (schema,), components = msgspec.json.schema_components(
        [struct], ref_template="#/components/schemas/{name}"
    )
    return {"application/json": _inlined(schema, components)}


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    """Replace references by their targets; the classes are small and not recursive."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(components[schema["$ref"].rpartition("/")[2]], components)
        return {key: _inlined(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(value, components) for value in schema]
    return schema


def problem_example(status: int, path: str) -> dict[str, Any]:
    """Return an example problem for a status and a path."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": EXAMPLE_DETAILS[status],
        "instance": path,
        "code": DEFAULT_CODES[status],
        "correlation_id": "0198f0c3-1100-7000-8000-000000000001",
        "errors": EXAMPLE_ERRORS.get(status, []),
    }


class Schema(AutoSchema):
    """Add to every operation the problem responses that it may return."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Return the description of one operation."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            for status in sorted(self._problem_statuses(operation)):
                operation["responses"].setdefault(str(status), self._problem(status))
        return operation

    def _problem_statuses(self, operation: Mapping[str, Any]) -> Iterable[int]:
        access = getattr(self.view, "access", {}).get(self.method)
        statuses = {500, 503, *getattr(self.view, "problems", {}).get(self.method, ())}
        if access is None or not access.anyone:
            statuses |= {401, 403}
        if "requestBody" in operation:
            statuses |= {400, 408, 413, 415, 429}
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])):
            statuses.add(400)
        if "{" in self.path:
            statuses.add(404)
        return statuses

    def _problem(self, status: int) -> dict[str, Any]:
        return {
            "description": HTTPStatus(status).phrase,
            "content": {
                CONTENT_TYPE: {
                    "schema": PROBLEM_SCHEMA,
                    "examples": {"problem": {"value": problem_example(status, self.path)}},
                }
            },
        }


def drop_second_spellings(endpoints: list[Any], **_: Any) -> list[Any]:
    """Keep one spelling of each path; each path is routed with and without a trailing slash."""
    kept: dict[tuple[str, str], Any] = {}
    for endpoint in endpoints:
        path, _regex, method, _callback = endpoint
        kept.setdefault((path.rstrip("/"), method), endpoint)
    return list(kept.values())
