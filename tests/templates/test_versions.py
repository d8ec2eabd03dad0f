"""Creating, reading and publishing template versions, including earlier ones."""

from typing import Any

import pytest

from apps.templates.models import Template, TemplateVersion
from tests.templates.conftest import EMAIL, PUSH, Api, pointers

SECOND = {"subject": "Two", "body": "Two"}


def published() -> list[tuple[str, int]]:
    rows = TemplateVersion.objects.filter(published=True).order_by("language")
    return list(rows.values_list("language", "number"))


def test_a_put_creates_the_next_version_and_publishes_it(api: Api) -> None:
    api.post("", EMAIL)

    response = api.put("welcome", SECOND)

    assert response.status_code == 200
    assert response.json()["version"] == 2
    assert published() == [("en", 2)]
    assert TemplateVersion.objects.get(number=1).content["subject"] == "Welcome, {{ name }}"


def test_each_language_has_its_own_version_numbers(api: Api) -> None:
    api.post("", EMAIL)
    api.put("welcome", SECOND)

    answer = api.put("welcome", SECOND | {"language": "pt"}).json()

    assert answer["version"] == 1
    assert answer["languages"] == ["en", "pt"]
    assert published() == [("en", 2), ("pt", 1)]


def test_a_put_may_change_the_properties_of_the_template(api: Api) -> None:
    api.post("", EMAIL)

    answer = api.put("welcome", SECOND | {"name": "N", "category": "c", "critical": True}).json()

    assert (answer["name"], answer["category"], answer["critical"]) == ("N", "c", True)
    template = Template.objects.get()
    assert (template.name, template.category, template.critical) == ("N", "c", True)
    assert template.sensitive is False
    assert template.updated_at > template.created_at


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, [("/subject", "required"), ("/body", "required")]),
        (SECOND | {"title": "x"}, [("/title", "unknown_field")]),
        (SECOND | {"code": "other"}, [("/code", "immutable")]),
        (SECOND | {"notification_type": "push"}, [("/notification_type", "immutable")]),
        (SECOND | {"language": "?"}, [("/language", "invalid_language")]),
        (SECOND | {"body": "{{"}, [("/body", "template_syntax")]),
        (SECOND | {"name": None}, [("/name", "null")]),
    ],
)
def test_an_invalid_put_changes_nothing(
    api: Api, body: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    api.post("", EMAIL)

    response = api.put("welcome", body)

    assert response.status_code == 400
    assert pointers(response) == wrong
    assert TemplateVersion.objects.count() == 1
    assert Template.objects.get().name == "Welcome"


def test_a_put_may_repeat_code_and_type(api: Api) -> None:
    api.post("", EMAIL)

    assert api.put("welcome", EMAIL).status_code == 200


def test_a_version_can_be_read_by_number_and_language(api: Api) -> None:
    api.post("", EMAIL)
    api.put("welcome", SECOND)
    api.put("welcome", {"language": "pt", "subject": "Dois", "body": "x"})

    assert api.get("welcome").json()["subject"] == "Two"
    assert api.get("welcome?version=1").json()["subject"] == "Welcome, {{ name }}"
    assert api.get("welcome?version=1").json()["published"] is False
    assert api.get("welcome?version=1&language=pt").json()["subject"] == "Dois"
    assert api.get("welcome/?language=pt-BR").json()["subject"] == "Dois"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("version=3", 404),
        ("version=1&language=pt-BR", 404),
        ("language=fr", 404),
        ("version=0", 400),
        ("version=-1", 400),
        ("version=x", 400),
        ("version=99999999999999999999", 400),
        ("language=x_y", 400),
        ("language=", 400),
    ],
)
def test_an_unknown_version_or_language_is_not_found(api: Api, query: str, status: int) -> None:
    api.post("", EMAIL)

    assert api.get(f"welcome?{query}").status_code == status


def test_an_earlier_version_can_be_published_again(api: Api) -> None:
    api.post("", EMAIL)
    api.put("welcome", SECOND)

    response = api.post("welcome/versions/1/publish", {})

    assert response.status_code == 200
    assert response.json()["version"] == 1
    assert response.json()["published"] is True
    assert published() == [("en", 1)]
    assert api.post("welcome/versions/1/publish/", {}).status_code == 200
    assert api.put("welcome", SECOND).json()["version"] == 3


def test_publishing_applies_to_the_given_language(api: Api) -> None:
    api.post("", EMAIL)
    for subject in ("Um", "Dois"):
        api.put("welcome", {"language": "pt", "subject": subject, "body": "x"})

    assert api.post("welcome/versions/1/publish", {"language": "pt"}).json()["subject"] == "Um"
    assert published() == [("en", 1), ("pt", 1)]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("welcome/versions/9/publish", {}, 404),
        ("welcome/versions/1/publish", {"language": "pt"}, 404),
        ("nothing/versions/1/publish", {}, 404),
        ("welcome/versions/0/publish", {}, 404),
        ("welcome/versions/99999999999999999999/publish", {}, 404),
        ("welcome/versions/1/publish", {"language": 5}, 400),
        ("welcome/versions/1/publish", {"x": 5}, 400),
        ("welcome/versions/1/publish", [1], 400),
    ],
)
def test_publishing_an_unknown_version_changes_nothing(
    api: Api, path: str, body: Any, status: int
) -> None:
    api.post("", EMAIL)

    assert api.post(path, body).status_code == status
    assert published() == [("en", 1)]


def test_versions_are_listed_newest_first_and_by_language(api: Api) -> None:
    api.post("", EMAIL)
    api.put("welcome", SECOND)
    api.put("welcome", SECOND | {"language": "pt"})

    page = api.get("welcome/versions/").json()
    assert page["next"] is None
    assert [(row["language"], row["version"], row["published"]) for row in page["results"]] == [
        ("pt", 1, True),
        ("en", 2, True),
        ("en", 1, False),
    ]
    english = api.get("welcome/versions?language=EN").json()["results"]
    assert [row["version"] for row in english] == [2, 1]
    assert api.get("nothing/versions/").status_code == 404
    assert api.get("welcome/versions/?language=!").status_code == 400


def test_the_list_of_templates_is_paginated_and_can_be_filtered(
    api: Api, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        api.post("", EMAIL | {"code": f"mail-{number}", "category": "news"})
    api.post("", PUSH)

    with django_assert_num_queries(2):  # The templates; their published versions.
        page = api.get("?page_size=3").json()
    assert [row["code"] for row in page["results"]] == ["parcel", "mail-2", "mail-1"]
    rest = api.client.get(page["next"]).json()
    assert [row["code"] for row in rest["results"]] == ["mail-0"]
    assert len(api.get("?notification_type=email&category=news").json()["results"]) == 3
    assert api.get("?category=other").json()["results"] == []


@pytest.mark.parametrize(
    "query", ["notification_type=sms", "category=", "page_size=0", "cursor=x", "page_size=x"]
)
def test_an_invalid_query_parameter_is_refused(api: Api, query: str) -> None:
    response = api.get(f"?{query}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == f"?{query.split('=', maxsplit=1)[0]}"


@pytest.mark.parametrize("code", ["nothing", "a%20b", "%2e%2e", "x" * 101, "a%00b"])
def test_an_unknown_template_is_not_found(api: Api, code: str) -> None:
    assert api.get(code).status_code in {400, 404}
    assert api.put(code, SECOND).status_code in {400, 404}
