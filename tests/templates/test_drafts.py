"""A draft is checked and kept like a version, and is not sent before it is published."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.templates import previews, rendering
from apps.templates.models import TemplateVersion
from tests.templates.conftest import EMAIL, Api, pointers

DRAFT = {"subject": "New, {{ name }}", "body": "Your order {{ order.id }} of {{ day }}"}


def sent() -> tuple[int, str]:
    rendering.forget()
    pinned = rendering.pin("welcome", language=None, locale=None)
    return pinned.number, pinned.language


def test_a_draft_is_not_sent(api: Api) -> None:
    api.post("", EMAIL)

    response = api.post("welcome/versions/", DRAFT)

    assert response.status_code == 201
    answer = response.json()
    assert (answer["version"], answer["status"], answer["published"]) == (2, "draft", False)
    assert (answer["language"], answer["engine"]) == ("en", 2)
    assert answer["variables"] == ["day", "name", "order.id"]
    assert sent() == (1, "en")
    assert api.get("welcome").json()["version"] == 1


def test_publishing_a_draft_says_what_changes_for_callers(api: Api) -> None:
    api.post("", EMAIL)
    api.post("welcome/versions/", DRAFT)

    answer = api.post("welcome/versions/2/publish", {}).json()

    assert (answer["version"], answer["status"], answer["published"]) == (2, "published", True)
    assert answer["changes"] == {
        "newly_required": [
            {"variable": "day", "missing": 0},
            {"variable": "order.id", "missing": 0},
        ],
        "no_longer_required": ["link"],
        "calls": 0,
    }
    assert sent() == (2, "en")


def test_a_replaced_version_is_no_draft_and_can_be_published_again(api: Api) -> None:
    api.post("", EMAIL)
    api.post("welcome/versions/", DRAFT)
    api.post("welcome/versions/2/publish", {})

    rows = api.get("welcome/versions/").json()["results"]
    assert [(row["version"], row["status"], row["published"]) for row in rows] == [
        (2, "published", True),
        (1, "published", False),
    ]
    again = api.post("welcome/versions/1/publish", {}).json()
    assert again["changes"]["newly_required"] == [{"variable": "link", "missing": 0}]
    assert api.post("welcome/versions/1/publish", {}).json()["changes"]["newly_required"] == []


def test_the_draft_of_a_new_language_is_not_offered_before_it_is_published(api: Api) -> None:
    api.post("", EMAIL)

    answer = api.post("welcome/versions/", DRAFT | {"language": "PT-br"}).json()

    assert (answer["language"], answer["version"]) == ("pt-BR", 1)
    assert api.get("welcome?language=pt-BR").status_code == 404
    assert api.get("welcome").json()["languages"] == ["en"]
    changes = api.post("welcome/versions/1/publish", {"language": "pt-BR"}).json()["changes"]
    assert len(changes["newly_required"]) == 3
    assert api.get("welcome").json()["languages"] == ["en", "pt-BR"]


def test_a_put_after_a_draft_has_the_next_number_and_leaves_the_draft(api: Api) -> None:
    api.post("", EMAIL)
    api.post("welcome/versions/", DRAFT)

    assert api.put("welcome", {"subject": "a", "body": "b"}).json()["version"] == 3
    assert TemplateVersion.objects.get(number=2).status == "draft"
    assert sent() == (3, "en")


def test_a_draft_can_be_previewed_and_read_by_its_number(api: Api) -> None:
    api.post("", EMAIL)
    api.post("welcome/versions/", DRAFT)

    read = api.get("welcome?version=2").json()

    assert (read["subject"], read["status"]) == (DRAFT["subject"], "draft")
    shown = previews.preview("welcome", variables={"name": "Ada"}, version=2)
    assert shown.missing == ["day", "order"]
    assert isinstance(shown.content, rendering.EmailContent)
    assert shown.content.subject == "New, Ada"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, [("/subject", "required"), ("/body", "required")]),
        (DRAFT | {"name": "x"}, [("/name", "unknown_field")]),
        (DRAFT | {"language": "?"}, [("/language", "invalid_language")]),
        (DRAFT | {"body": "{{"}, [("/body", "template_syntax")]),
    ],
)
def test_a_draft_is_checked_like_a_version(
    api: Api, body: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    api.post("", EMAIL)

    response = api.post("welcome/versions/", body)

    assert response.status_code == 400
    assert sorted(pointers(response)) == sorted(wrong)
    assert TemplateVersion.objects.count() == 1


def test_there_is_no_draft_without_a_template(api: Api) -> None:
    assert api.post("nothing/versions/", DRAFT).status_code == 404


@pytest.mark.usefixtures("project_urls")
def test_the_admin_shows_the_state_of_each_version(api: Api, admin_client: Client) -> None:
    api.post("", EMAIL)
    api.put("welcome", {"subject": "a", "body": "b"})
    api.post("welcome/versions/", DRAFT)

    page = admin_client.get("/admin/message_templates/templateversion/").content.decode()

    states = re.findall(r'class="field-state">(\w+)<', page)
    assert states == ["draft", "published", "replaced"]
