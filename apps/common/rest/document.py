"""The steps that change the OpenAPI document as a whole, before and after it is made."""

import json
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from rest_framework.request import Request

LIBRARY_MARK = "x-spec-enum-id"
# What ``parsers`` refuses in every text of a body.
NO_CONTROL_CHARACTERS = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
NOT_BLANK = (
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
)


def drop_second_spellings(endpoints: list[Any], **_: Any) -> list[Any]:
    """Keep one spelling of each path; each path is routed with and without a trailing slash."""
    kept: dict[tuple[str, str], Any] = {}
    for endpoint in endpoints:
        path, _regex, method, _callback = endpoint
        kept.setdefault((path.rstrip("/"), method), endpoint)
    return list(kept.values())


def add_servers(result: dict[str, Any], request: Request | None, **_: Any) -> dict[str, Any]:
    """Name the server of the API: ``PUBLIC_URL``.

    If the document was read under another host name, its own server comes first, because the
    content security policy of Swagger's page forbids calls to another origin.
    """
    servers = [{"url": settings.PUBLIC_URL}]
    if request is not None and request.get_host() != urlsplit(settings.PUBLIC_URL).netloc:
        servers.insert(0, {"url": "/", "description": "Where this document was read."})
    return {**result, "servers": servers}


def describe_fields(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Write each field of a body as the generators of clients understand it.

    - A default becomes a sentence. Some generators demand a field that has a default, others would
      send the default of the day on which the client was made.
    - An object with free keys says so. Without that, TypeScript's types allow no key.
    - A choice of texts has a type. Without one, it is a choice of unknown values.
    """
    for schema in result.get("components", {}).get("schemas", {}).values():
        for field in schema.get("properties", {}).values():
            _describe_default(field)
            if field.get("type") == "object" and "properties" not in field:
                field.setdefault("additionalProperties", {})
            if "enum" in field and all(isinstance(choice, str) for choice in field["enum"]):
                field.setdefault("type", "string")
    return result


def _describe_default(field: dict[str, Any]) -> None:
    missing = object()
    default = field.pop("default", missing)
    if default in (missing, None, "", {}):
        return
    shown = default if isinstance(default, str) else json.dumps(default)
    words = (field.get("description", "").rstrip(), f"The default is {shown}.")
    field["description"] = " ".join(filter(None, words))


def state_refused_characters(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """State in the texts and keys of request bodies that control characters are refused."""
    components = result.get("components", {}).get("schemas", {})
    seen: set[str] = set()
    waiting = [
        media["schema"]
        for path in result.get("paths", {}).values()
        for operation in path.values()
        if isinstance(operation, dict)
        for content, media in operation.get("requestBody", {}).get("content", {}).items()
        if content == "application/json"
    ]
    while waiting:
        schema = waiting.pop()
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            waiting.append(components[name])
        _state_refused_characters(schema)
        waiting += schema.get("properties", {}).values()
        waiting += [schema[key] for key in ("items", "additionalProperties") if schema.get(key)]
        waiting += [one for key in ("allOf", "anyOf", "oneOf") for one in schema.get(key, ())]
    return result


def _state_refused_characters(schema: dict[str, Any]) -> None:
    if _is_plain_text(schema):
        schema["pattern"] = NOT_BLANK if schema.get("minLength") else NO_CONTROL_CHARACTERS
    if isinstance(schema.get("additionalProperties"), dict):
        schema.setdefault("propertyNames", {"pattern": NO_CONTROL_CHARACTERS})


def _is_plain_text(schema: dict[str, Any]) -> bool:
    stated = schema.keys() & {"enum", "const", "format", "pattern"}
    return "string" in schema.get("type", ()) and not stated


def drop_library_marks(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Remove what the library notes for its own steps."""
    cleaned: dict[str, Any] = _without_marks(result)
    return cleaned


def _without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_marks(one) for key, one in value.items() if key != LIBRARY_MARK}
    if isinstance(value, list):
        return [_without_marks(one) for one in value]
    return value
