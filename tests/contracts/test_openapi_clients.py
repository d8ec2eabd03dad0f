"""The OpenAPI document as programs read it that make a client from it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from tests.contracts.test_openapi import operations
from tests.notifications.problems import PROBLEM_MEMBERS

pytestmark = pytest.mark.django_db
PROBLEM = {"$ref": "#/components/schemas/Problem"}
# Suffixes and prefixes that tell how the code is written, not what the thing is.
TECHNICAL_NAME = re.compile(
    r"^(Patched|Paginated)|(In|Out|InRequest|Request|Answer|Serializer|Put|Field)$"
)
PLAIN_NAMES = (
    "Login",
    "User",
    "NewUser",
    "Device",
    "NewDevice",
    "Batch",
    "Notification",
    "NotificationPage",
    "SendNotification",
    "Template",
    "Problem",
)
VERBS = re.compile(
    "broadcast|cancel|confirm|create|delete|discard|erase|explain|force|list|login|logout|pause|preview|"
    "publish|read|redeliver|refresh|replace|replay|reset|resume|rotate|send|take|test|update|upload"
)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the document."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, (dict, list)):
            yield from nodes(child)


def test_every_problem_is_one_component(document: dict[str, Any]) -> None:
    schemas = [
        media["schema"]
        for _, _, operation in operations(document)
        for status, answer in operation["responses"].items()
        if status.startswith(("4", "5"))
        for media in answer["content"].values()
    ]
    assert len(schemas) > 400
    assert [schema for schema in schemas if schema != PROBLEM] == []
    problem = document["components"]["schemas"]["Problem"]
    assert set(problem["required"]) == PROBLEM_MEMBERS


def test_no_model_is_written_out_where_it_is_used(document: dict[str, Any]) -> None:
    """A generator makes a class of its own for each object that is not a component."""
    inline = [
        (method, path)
        for path, method, operation in operations(document)
        for one in [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in one.get("content", {}).values()
        if "properties" in media["schema"]
    ]
    assert inline == []


def test_components_have_plain_names(document: dict[str, Any]) -> None:
    names = document["components"]["schemas"]
    assert [name for name in names if TECHNICAL_NAME.search(name)] == []
    assert [name for name in PLAIN_NAMES if name not in names] == []
    # Two names that differ only in case or in underscores would be one file of a client.
    assert len({name.lower().replace("_", "") for name in names}) == len(names)


def test_no_component_has_the_name_that_a_generator_gives_to_a_field(
    document: dict[str, Any],
) -> None:
    """A generator drops ``Batch`` if its field ``links`` and a component are ``BatchLinks``."""
    names = document["components"]["schemas"]
    clashes = [
        (name, field)
        for name, schema in names.items()
        for field, described in schema.get("properties", {}).items()
        if "$ref" not in described
        and ("enum" in described or "object" in described.get("type", ()))
        and name + field.title().replace("_", "") in names
    ]
    assert clashes == []


def test_no_component_has_a_field_of_its_own_name(document: dict[str, Any]) -> None:
    """In a typed client the field ``status`` of a class ``Status`` hides the class's instance."""
    hidden = [
        name
        for name, schema in document["components"]["schemas"].items()
        if re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() in schema.get("properties", {})
    ]
    assert hidden == []


def test_every_body_says_whether_it_is_required(document: dict[str, Any]) -> None:
    said = {
        operation["operationId"]: operation["requestBody"].get("required")
        for _, _, operation in operations(document)
        if "requestBody" in operation
    }
    assert [name for name, required in said.items() if required is None] == []
    assert {name for name, required in said.items() if not required} == {
        "dead_letters_replay",
        "dead_letters_replays_create",
        "notifications_replay",
        "templates_preview",
        "templates_test_send",
        "templates_versions_publish",
    }


def test_a_file_is_the_body_or_the_field_of_a_form(document: dict[str, Any]) -> None:
    body = document["paths"]["/api/v1/batches/upload"]["post"]["requestBody"]
    assert body["required"] is True
    *files, form = body["content"].items()
    assert {media["schema"]["type"] for _, media in files} == {"string"}
    assert form == (
        "multipart/form-data",
        {"schema": {"$ref": "#/components/schemas/UploadForm"}},
    )
    described = document["components"]["schemas"]["UploadForm"]
    assert described["required"] == ["file"]
    assert described["properties"]["file"]["format"] == "binary"
    assert {"template_code", "notification_type", "priority"} < set(described["properties"])


def test_there_are_no_marks_of_the_library(document: dict[str, Any]) -> None:
    marks = {key for node in nodes(document) for key in node if key.startswith("x-spec")}
    assert marks == set()


@override_settings(PUBLIC_URL="https://notify.example.com")
def test_the_server_is_the_public_url() -> None:
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    assert [server["url"] for server in document["servers"]] == ["https://notify.example.com"]


@override_settings(PUBLIC_URL="https://notify.example.com", ALLOWED_HOSTS=["*"])
def test_a_page_under_another_name_calls_the_server_that_it_came_from() -> None:
    """The content security policy of Swagger's page forbids calls to another origin."""
    answer = APIClient().get(
        "/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json", HTTP_HOST="10.0.0.1:8000"
    )
    assert [server["url"] for server in answer.json()["servers"]] == [
        "/",
        "https://notify.example.com",
    ]


def test_operations_without_authentication_say_so(document: dict[str, Any]) -> None:
    without = {
        operation["operationId"]
        for _, _, operation in operations(document)
        if operation["security"] == []
    }
    assert without == {
        "receipts_sendgrid_take",
        "users_email_confirm",
        "users_login",
        "users_logout",
        "users_password_reset",
        "users_password_reset_confirm",
        "users_token_refresh",
    }


@pytest.mark.parametrize("is_open", [True, False])
def test_registration_says_whether_it_takes_a_call_without_a_key(
    *, is_open: bool, settings: Any
) -> None:
    settings.OPEN_REGISTRATION = is_open
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    assert ({} in document["paths"]["/api/v1/users/"]["post"]["security"]) is is_open
    assert {} not in document["paths"]["/api/v1/users/"]["get"]["security"]


def test_operation_ids_are_the_resource_and_then_the_verb(document: dict[str, Any]) -> None:
    named = {operation["operationId"]: path for path, _, operation in operations(document)}
    assert len(named) == len(list(operations(document)))
    wrong = [
        name
        for name, path in named.items()
        if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
        or not name.startswith(path.split("/")[3].replace("-", "_") + "_")
        or not VERBS.fullmatch(name.rpartition("_")[2])
    ]
    assert wrong == []


def parameters(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [
        parameter["schema"]
        for _, _, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["name"] == name
    ]


def test_limits_of_parameters_are_stated(document: dict[str, Any]) -> None:
    sizes = parameters(document, "page_size")
    assert len(sizes) > 5
    for size in sizes:
        assert (size["minimum"], size["maximum"], size["default"]) == (1, 200, 50)
    keys = parameters(document, "Idempotency-Key")
    assert len(keys) > 3
    for key in keys:
        assert key["minLength"] == 1
        for good in ("a" * 255, '"' + "a" * 255 + '"', '"' + '\\"' * 255 + '"'):
            assert re.search(key["pattern"], good), good
            assert len(good) <= key["maxLength"]
        for bad in ("", "a" * 256, "a" * 257, '"' + "a" * 256 + '"'):
            assert not re.search(key["pattern"], bad), bad


@pytest.mark.parametrize(
    ("path", "name", "limits"),
    [
        ("templates/", "category", {"minLength": 1, "maxLength": 100}),
        ("templates/{template_code}", "version", {"minimum": 1, "maximum": 999999999}),
        ("templates/{template_code}", "language", {"maxLength": 35}),
        ("users/", "email", {"format": "email", "maxLength": 254}),
        ("users/", "external_id", {"minLength": 1, "maxLength": 255}),
    ],
)
def test_limits_of_filters_are_stated(
    document: dict[str, Any], path: str, name: str, limits: dict[str, Any]
) -> None:
    listed = document["paths"][f"/api/v1/{path}"]["get"]["parameters"]
    (schema,) = (parameter["schema"] for parameter in listed if parameter["name"] == name)
    assert {limit: schema.get(limit) for limit in limits} == limits


@pytest.mark.parametrize(
    ("component", "field", "good", "bad"),
    [
        ("QuietHours", "start", ["22:00", "9:00", "22:00:00"], ["24:00", "9", "22:00:01"]),
        ("NewDevice", "push_token", ["abc:1_2-3"], ["two words", "ключ"]),
    ],
)
def test_patterns_take_what_the_server_takes(
    document: dict[str, Any], component: str, field: str, good: list[str], bad: list[str]
) -> None:
    pattern = document["components"]["schemas"][component]["properties"][field]["pattern"]
    assert [text for text in good if not re.search(pattern, text)] == []
    assert [text for text in bad if re.search(pattern, text)] == []


def test_a_body_that_refuses_unknown_fields_says_so(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    open_bodies = []
    for _, _, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            name = media["schema"].get("$ref", "").rpartition("/")[2]
            if name and schemas[name].get("additionalProperties") is not False:
                open_bodies.append(name)
    assert open_bodies == []


@pytest.mark.parametrize(
    ("component", "field", "limits"),
    [
        ("NewUser", "email", {"format": "email", "maxLength": 254}),
        ("NewUser", "name", {"maxLength": 200}),
        ("NewUser", "locale", {"minLength": 1, "maxLength": 35}),
        ("PasswordReset", "email", {"format": "email"}),
        ("User", "email", {"format": "email"}),
        ("User", "id", {"format": "uuid"}),
        ("User", "created_at", {"format": "date-time"}),
        ("SendNotification", "user_id", {"format": "uuid"}),
        ("SendNotification", "template_code", {"minLength": 1, "maxLength": 100}),
        ("SendNotification", "priority", {"minimum": 0, "maximum": 9}),
        ("NewDevice", "push_token", {"maxLength": 2048}),
    ],
)
def test_limits_of_fields_are_stated(
    document: dict[str, Any], component: str, field: str, limits: dict[str, Any]
) -> None:
    schema = document["components"]["schemas"][component]["properties"][field]
    assert {name: schema.get(name) for name in limits} == limits


def test_the_header_that_takes_the_bare_key_comes_first(document: dict[str, Any]) -> None:
    first, *_ = document["components"]["securitySchemes"].values()
    assert (first["type"], first["in"], first["name"]) == ("apiKey", "header", "X-API-Key")
    assert "nk_live_" in first["description"]
    for _, _, operation in operations(document):
        if operation["security"]:
            assert operation["security"][0] == {"ApiKey": []}
    other = document["components"]["securitySchemes"]["ApiKeyAuthorization"]
    assert other["name"] == "Authorization"
    assert "Api-Key nk_live_" in other["description"]
