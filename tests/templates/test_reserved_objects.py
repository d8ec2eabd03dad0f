"""Every template has the objects ``recipient`` and ``unsubscribe_url``."""

from typing import Any

import pytest

from apps.templates import rendering
from apps.templates.rendering import EmailContent
from tests.templates.conftest import EMAIL, Api

GREETING = "Dear {{ recipient.name }}, {{ recipient.email }}, {{ unsubscribe_url }}"
OURS = {
    "recipient": {"name": "Bob", "email": "bob@example.com", "locale": "de", "timezone": "UTC"},
    "unsubscribe_url": "https://example.com/u/1",
}


def made(api: Api, **changes: Any) -> rendering.PinnedTemplate:
    body = EMAIL | {"subject": "Hello", "body": GREETING, "html": None} | changes
    assert api.post("", body).status_code == 201
    return rendering.pin(body["code"], language=None, locale=None)


def text(pinned: rendering.PinnedTemplate, variables: dict[str, Any]) -> str:
    content = rendering.render(pinned.version_id, variables, reserved=lambda: OURS)
    assert isinstance(content, EmailContent)
    return content.text


def test_a_template_greets_its_recipient_without_a_variable(api: Api) -> None:
    pinned = made(api)

    assert pinned.required == frozenset()
    assert rendering.missing_variables(pinned, {}) == []
    assert text(pinned, {}) == "Dear Bob, bob@example.com, https://example.com/u/1"


def test_a_variable_of_the_same_name_wins_whole(api: Api) -> None:
    pinned = made(api)

    assert text(pinned, {"recipient": {"name": "Eve"}}) == "Dear Eve, , https://example.com/u/1"


def test_a_preview_has_an_invented_recipient_and_names_what_is_replaced(api: Api) -> None:
    made(api)
    code = EMAIL["code"]

    usual = api.post(f"{code}/preview", {"variables": {}}).json()
    replaced = api.post(f"{code}/preview", {"variables": {"recipient": {"name": "Eve"}}}).json()

    assert usual["body"].startswith("Dear Ada Lovelace, ada@example.com, https://")
    assert (usual["missing"], usual["replaced"]) == ([], [])
    assert replaced["body"].startswith("Dear Eve, , https://")
    assert replaced["replaced"] == ["recipient"]


def test_our_objects_are_made_for_templates_only_that_use_them(api: Api) -> None:
    pinned = made(api, body="Hello")

    def fail() -> dict[str, Any]:
        pytest.fail("nobody asked for them")

    assert rendering.render(pinned.version_id, {}, reserved=fail)


@pytest.mark.parametrize(
    ("subject", "variables", "empty"),
    [
        ("{{ title }}", {"title": ""}, ["subject"]),
        ("{{ title }}", {"title": "News"}, []),
        ("{% if title %}{{ title }}{% endif %}", {}, ["subject"]),
        ("News {{ title }}", {"title": ""}, []),
    ],
)
def test_a_preview_names_a_subject_that_renders_to_nothing(
    api: Api, subject: str, variables: dict[str, Any], empty: list[str]
) -> None:
    made(api, subject=subject, body="Hello")

    assert api.post(f"{EMAIL['code']}/preview", {"variables": variables}).json()["empty"] == empty
