"""The OpenAPI document is valid and complete, has examples, and the answers conform to it."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from rest_framework.test import APIClient

from tests.notifications.factories import body, client_with, person, template

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document, cls=OpenAPIV31SpecValidator)


def routed(resolver: Any = None, prefix: str = "/") -> Iterator[str]:
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routed(pattern, path)
        elif isinstance(pattern, URLPattern) and path.startswith("/api/v1/"):
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path).rstrip("/")


def test_every_path_of_the_api_is_in_the_document_once(document: dict[str, Any]) -> None:
    described = [path.rstrip("/") for path in document["paths"]]
    # The start page of the browsable API only links to the others.
    assert sorted(described) == sorted(set(routed()) - {"/api/v1"})


def test_every_operation_has_a_name_a_tag_and_a_summary(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for path, method, operation in operations(document):
        assert operation.get("summary"), (method, path)
        assert operation.get("tags"), (method, path)


def examples_of(content: dict[str, Any]) -> list[Any]:
    return [
        example["value"]
        for media in content.values()
        for example in media.get("examples", {}).values()
    ]


def test_every_request_body_has_an_example(document: dict[str, Any]) -> None:
    missing = [
        (method, path)
        for path, method, operation in operations(document)
        if "requestBody" in operation and not examples_of(operation["requestBody"]["content"])
    ]
    assert missing == []


def test_every_answer_with_a_body_has_an_example(document: dict[str, Any]) -> None:
    missing = [
        (method, path, status)
        for path, method, operation in operations(document)
        for status, answer in operation["responses"].items()
        if "content" in answer and not examples_of(answer["content"])
    ]
    assert missing == []


def test_every_operation_lists_its_possible_problems(
    document: dict[str, Any],
) -> None:
    for path, method, operation in operations(document):
        statuses = set(operation["responses"])
        assert "500" in statuses, (method, path)
        assert any(status.startswith("2") for status in statuses), (method, path)
        if "requestBody" in operation:
            assert {"400", "408", "413", "415", "429"} <= statuses, (method, path)
        if "{" in path:
            assert "404" in statuses, (method, path)
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert list(answer["content"]) == ["application/problem+json"], (path, status)


class SchemaValidator:
    """Validates values against the schemas of the document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def check(self, value: Any, schema: dict[str, Any]) -> None:
        whole = {**schema, "components": self.document["components"]}
        jsonschema_rs.Draft202012Validator(whole).validate(value)

    def answer(self, answer: Any, path: str, method: str) -> None:
        operation = self.document["paths"][path][method]
        content = operation["responses"][str(answer.status_code)]["content"]
        media = content[answer["Content-Type"].partition(";")[0]]
        self.check(answer.json(), media["schema"])


@pytest.fixture
def validator(document: dict[str, Any]) -> SchemaValidator:
    return SchemaValidator(document)


def test_every_example_conforms_to_its_schema(
    document: dict[str, Any], validator: SchemaValidator
) -> None:
    wrong = []
    for path, method, operation in operations(document):
        bodies = [("request", operation["requestBody"])] if "requestBody" in operation else []
        bodies += [(status, one) for status, one in operation["responses"].items()]
        for where, one in bodies:
            for media in one.get("content", {}).values():
                for name, example in media.get("examples", {}).items():
                    try:
                        validator.check(example["value"], media["schema"])
                    except jsonschema_rs.ValidationError as error:
                        wrong.append(f"{method} {path} {where} {name}: {error.message}")
    assert wrong == []


def test_real_answers_conform_to_the_document(validator: SchemaValidator) -> None:
    template("welcome")
    alice = person("alice")
    caller: APIClient = client_with()
    notifications = "/api/v1/notifications/"
    sent = caller.post(notifications, body(alice, request_id="r"), format="json")
    assert sent.status_code == 202
    validator.answer(sent, notifications, "post")
    one = f"{notifications}{sent.json()['id']}"
    bad = {"notifications": [body(alice), {}]}
    for answer, path, method in (
        (caller.get(notifications), notifications, "get"),
        (caller.get(one), notifications + "{notification_id}", "get"),
        (caller.get(f"{one}/status"), notifications + "{notification_id}/status", "get"),
        (caller.post(f"{one}/cancel"), notifications + "{notification_id}/cancel", "post"),
        (caller.post(f"{one}/replay"), notifications + "{notification_id}/replay", "post"),
        (caller.post(f"{notifications}bulk", bad, format="json"), f"{notifications}bulk", "post"),
        (caller.post(notifications, {}, format="json"), notifications, "post"),
        (
            caller.post(notifications, body(alice, variables={}), format="json"),
            notifications,
            "post",
        ),
        (APIClient().get(notifications), notifications, "get"),
        (caller.get("/api/v1/services/"), "/api/v1/services/", "get"),
        (caller.get("/api/v1/users/"), "/api/v1/users/", "get"),
        (caller.get(f"/api/v1/users/{alice.pk}"), "/api/v1/users/{user_id}", "get"),
        (caller.get("/api/v1/templates/"), "/api/v1/templates/", "get"),
        (
            caller.get("/api/v1/templates/welcome"),
            "/api/v1/templates/{template_code}",
            "get",
        ),
        (
            caller.post("/api/v1/templates/welcome/preview", {"variables": {}}, format="json"),
            "/api/v1/templates/{template_code}/preview",
            "post",
        ),
    ):
        validator.answer(answer, path, method)


def test_the_document_and_its_pages_need_no_authentication() -> None:
    caller = APIClient()
    schema = caller.get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json")
    assert schema.status_code == 200
    assert schema.json()["openapi"].startswith("3.1")
    for page in ("/api/docs/", "/api/redoc/"):
        answer = caller.get(page, HTTP_ACCEPT="text/html")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/html")
        # Its scripts come from this installation, because a CDN would not work offline.
        assert b"://" not in b"".join(re.findall(rb'(?:src|href)="[^"]*', answer.content))
