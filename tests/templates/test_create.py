"""Creating a template over the API."""

from typing import Any

import pytest

from apps.templates.models import Template, TemplateVersion
from tests.templates.conftest import EMAIL, PUSH, Api, pointers


def test_a_new_template_is_published_as_version_one(api: Api) -> None:
    response = api.post("", EMAIL)

    assert response.status_code == 201
    template = Template.objects.get()
    assert response.json() == {
        "id": str(template.pk),
        "code": "welcome",
        "notification_type": "email",
        "name": "Welcome",
        "language": "en",
        "default_language": "en",
        "languages": ["en"],
        "version": 1,
        "published": True,
        "status": "published",
        "engine": 2,
        "category": "general",
        "critical": False,
        "sensitive": False,
        "subject": "Welcome, {{ name }}",
        "body": "Hello {{ name }}, see {{ link }}",
        "html": None,
        "variables": ["link", "name"],
        "created_by": "shop",
        "created_at": template.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": template.updated_at.isoformat().replace("+00:00", "Z"),
    }


def test_a_push_template_has_its_own_fields(api: Api) -> None:
    answer = api.post("", PUSH | {"language": "PT-br"}).json()

    assert answer["title"] == "Parcel {{ number }}"
    assert answer["data"] == {"parcel": "{{ number }}"}
    assert answer["image"] is None
    assert answer["language"] == answer["default_language"] == "pt-BR"
    assert "subject" not in answer


def test_a_code_can_be_used_once(api: Api) -> None:
    api.post("", EMAIL)

    response = api.post("", EMAIL | {"name": "Another"})

    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert pointers(response) == [("/code", "unique")]
    assert Template.objects.get().name == "Welcome"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"subject": None}, [("/subject", "required")]),
        ({"body": " "}, [("/body", "blank")]),
        ({"title": "x"}, [("/title", "unknown_field")]),
        ({"data": {}}, [("/data", "unknown_field")]),
        ({"colour": "red"}, [("/colour", "unknown_field")]),
        ({"code": "a b"}, [("/code", "invalid")]),
        ({"code": "a/b"}, [("/code", "invalid")]),
        ({"code": ".."}, [("/code", "invalid")]),
        ({"code": "x" * 101}, [("/code", "max_length"), ("/code", "invalid")]),
        ({"code": 5}, [("/code", "not_a_string")]),
        ({"notification_type": "sms"}, [("/notification_type", "invalid_choice")]),
        ({"notification_type": ["email"]}, [("/notification_type", "invalid_choice")]),
        ({"name": 5}, [("/name", "not_a_string")]),
        ({"name": ""}, [("/name", "blank")]),
        ({"language": "pt_BR"}, [("/language", "invalid_language")]),
        ({"category": "a b"}, [("/category", "invalid")]),
        ({"critical": "yes"}, [("/critical", "not_a_boolean")]),
        ({"subject": "a\r\nBcc: b"}, [("/subject", "control_character")]),
        ({"subject": "x" * 999}, [("/subject", "max_length")]),
        ({"subject": 7}, [("/subject", "not_a_string")]),
        ({"subject": "{{ a"}, [("/subject", "template_syntax")]),
        (
            {"subject": "{{ a", "body": "{% b %}", "html": "{{ c | d }}"},
            [
                ("/subject", "template_syntax"),
                ("/body", "template_syntax"),
                ("/html", "template_syntax"),
            ],
        ),
        (
            {"subject": "{{ a }}" * 100, "body": "{{ a }}" * 9_000, "html": "{{ a }}" * 9_000},
            [("/html", "template_costly")],
        ),
    ],
)
def test_an_invalid_email_template_is_refused_with_all_errors(
    api: Api, change: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    response = api.post("", EMAIL | change)

    assert response.status_code == 400
    assert pointers(response) == wrong
    assert not Template.objects.exists()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"title": None}, [("/title", "required")]),
        ({"html": "x"}, [("/html", "unknown_field")]),
        ({"title": "a\nb"}, [("/title", "control_character")]),
        ({"link": "{{ a"}, [("/link", "template_syntax")]),
        ({"data": []}, [("/data", "not_a_dict")]),
        ({"data": {"a": 5}}, [("/data/a", "not_a_string")]),
        ({"data": {"a": None}}, [("/data/a", "not_a_string")]),
        ({"data": {"a": "{{ b"}}, [("/data/a", "template_syntax")]),
        ({"data": {"notification_id": "x"}}, [("/data/notification_id", "reserved_key")]),
        (
            {"data": {"from": "x", "gcm.x": "y"}},
            [("/data/from", "reserved_key"), ("/data/gcm.x", "reserved_key")],
        ),
        ({"data": {"a/b~c": "{{ b"}}, [("/data/a~1b~0c", "template_syntax")]),
        ({"data": {"": "x"}}, [("/data/", "invalid_key")]),
        ({"data": {str(n): "x" for n in range(51)}}, [("/data", "max_length")]),
    ],
)
def test_an_invalid_push_template_is_refused_with_all_errors(
    api: Api, change: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    response = api.post("", PUSH | change)

    assert response.status_code == 400
    assert pointers(response) == wrong
    assert not Template.objects.exists()


def test_a_syntax_error_has_line_and_column(api: Api) -> None:
    response = api.post("", EMAIL | {"html": "<p>\n  {{ name | shout }}</p>"})

    assert response.json()["errors"] == [
        {
            "pointer": "/html",
            "code": "template_syntax",
            "detail": "line 2, column 13: unknown filter 'shout'",
        }
    ]


def test_whitespace_at_the_ends_of_a_body_is_kept(api: Api) -> None:
    api.post("", EMAIL | {"body": "\n  Hello\n\n"})

    assert TemplateVersion.objects.get().content["body"] == "\n  Hello\n\n"


@pytest.mark.parametrize("body", [[], "x", None, 5])
def test_a_request_body_that_is_not_an_object_is_refused(api: Api, body: Any) -> None:
    assert api.post("", body).status_code == 400
