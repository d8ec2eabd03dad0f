"""The OpenAPI 3.1 document: bodies from msgspec classes, and the problems of every operation."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from apps.common.rest.problem_types import members_of
from apps.common.rest.problems import CONTENT_TYPE, DEFAULT_CODES, DETAILS
from apps.common.rest.serializers import StrictSerializer

SCHEMAS = "#/components/schemas/"
# How our classes are named; the components have plain names.
CLASS_SUFFIXES = ("Serializer", "Answer", "Out", "In")

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

PROBLEM_COMPONENTS: dict[str, dict[str, Any]] = {
    "Problem": {
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
            "type": {
                "type": "string",
                "format": "uri",
                "description": "The address of a page that explains the code.",
            },
            "title": {"type": "string", "description": "The same for each code."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "instance": {"type": "string", "description": "The path of the call."},
            "code": {"type": "string", "description": "For programs; it does not change."},
            "correlation_id": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {"$ref": f"{SCHEMAS}ProblemError"},
                "description": "The fields that are wrong.",
            },
        },
    },
    "ProblemError": {
        "type": "object",
        "description": "What is wrong with one field of a request.",
        "required": ["pointer", "code", "detail"],
        "properties": {
            "pointer": {
                "type": "string",
                "description": "A JSON pointer into the body, or `?name` of a parameter.",
            },
            "code": {"type": "string"},
            "detail": {"type": "string"},
        },
    },
}

# The request bodies that are msgspec classes, by the name of their component.
_structs: dict[str, Any] = {}


def body_of(struct: type[msgspec.Struct], *, name: str) -> dict[str, Any]:
    """Return the OpenAPI content of a JSON request body, from the class that decodes it.

    Args:
        struct: The class.
        name: The name of its component.
    """
    _, components = msgspec.json.schema_components(
        [struct], ref_template="#/components/schemas/{name}"
    )
    # A generator would prefer the title, the name of our class, to the name of the component.
    described = {key: {**schema, "title": key} for key, schema in components.items()}
    described[name] = {**described.pop(struct.__name__), "title": name}
    _structs.update(described)
    return {"application/json": {"$ref": f"{SCHEMAS}{name}"}}


def _references(value: Any) -> Iterable[str]:
    """Yield the names of the components that a schema uses."""
    if isinstance(value, dict):
        if str(value.get("$ref", "")).startswith(SCHEMAS):
            yield value["$ref"].removeprefix(SCHEMAS)
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _references(one)


def problem_example(status: int, path: str) -> dict[str, Any]:
    """Return an example problem for a status and a path."""
    return {
        **members_of(status, DEFAULT_CODES[status]),
        "status": status,
        "detail": EXAMPLE_DETAILS[status],
        "instance": path,
        "code": DEFAULT_CODES[status],
        "correlation_id": "0198f0c3-1100-7000-8000-000000000001",
        "errors": EXAMPLE_ERRORS.get(status, []),
    }


class Schema(AutoSchema):
    """Describes the problems of every operation, and gives the components plain names."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Return the description of one operation."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            for status in sorted(self._problem_statuses(operation)):
                operation["responses"].setdefault(str(status), self._problem(status))
            self._register("Problem", PROBLEM_COMPONENTS)
            # An empty list says that no credential is needed.
            operation.setdefault("security", [])
            if "requestBody" in operation:
                self._finish_body(operation["requestBody"])
        return operation

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the ways to authenticate; an empty one where a call needs none (``is_open``)."""
        ways: list[dict[str, Any]] = super().get_auth()
        is_open = getattr(self.view, "is_open", None)
        return [*ways, {}] if is_open is not None and is_open(self.method) else ways

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Return the plain name of a component: ``component_name``, or the class without suffix."""
        own: str | None = vars(type(serializer)).get("component_name")
        if own is not None:
            return own
        name = type(serializer).__name__
        for suffix in CLASS_SUFFIXES:
            name = name.removesuffix(suffix)
        return name

    def get_paginated_name(self, serializer_name: str) -> str:
        """Return the name of a page of a list."""
        return f"{serializer_name}Page"

    def _get_serializer_name(
        self, serializer: Any, direction: Any, *args: Any, **kwargs: Any
    ) -> str:
        """Remove the marks of the library: the prefix of a PATCH and the suffix of a body."""
        named: str = super()._get_serializer_name(serializer, direction, *args, **kwargs)
        if direction == "request":
            named = named.removesuffix("Request")
        if named.startswith("Patched"):
            named = named.removeprefix("Patched").removesuffix("Changes") + "Changes"
        return named

    def _map_serializer(self, serializer: Any, *args: Any, **kwargs: Any) -> Any:
        """Say where unknown fields are refused."""
        schema: Any = super()._map_serializer(serializer, *args, **kwargs)  # type: ignore[no-untyped-call] # The library's.
        if isinstance(serializer, StrictSerializer) and schema.get("type") == "object":
            schema["additionalProperties"] = False
        return schema

    def _map_serializer_field(self, field: Any, direction: Any, *args: Any, **kwargs: Any) -> Any:
        """Add what a field says of itself beside what the library finds: ``described``."""
        schema: Any = super()._map_serializer_field(field, direction, *args, **kwargs)  # type: ignore[no-untyped-call] # The library's.
        return {**schema, **getattr(field, "described", {})}

    def _register(self, name: str, schemas: Mapping[str, Any]) -> None:
        """Add a component to the document, with the components that it uses."""
        component = ResolvedComponent(  # type: ignore[no-untyped-call] # The library's.
            name=name, type=ResolvedComponent.SCHEMA, schema=schemas[name], object=name
        )
        if component in self.registry:
            return
        self.registry.register(component)
        for other in _references(schemas[name]):
            self._register(other, schemas)

    def _finish_body(self, body: dict[str, Any]) -> None:
        """Say whether the body is required, and add its components."""
        for media in body["content"].values():
            name = media["schema"].get("$ref", "").removeprefix(SCHEMAS)
            if name in _structs:
                self._register(name, _structs)
                body["required"] = True
        schemas = [media["schema"] for media in body["content"].values()]
        # A file, and a change, say nothing without a body.
        is_file = any("$ref" not in schema for schema in schemas)
        always = getattr(self.get_request_serializer(), "body_required", False)
        body.setdefault("required", is_file or always or self.method in {"PUT", "PATCH"})

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
                    "schema": {"$ref": f"{SCHEMAS}Problem"},
                    "examples": {"problem": {"value": problem_example(status, self.path)}},
                }
            },
        }
