"""A preview shows what would be sent, produced by the code that sends."""

from typing import Any

import pytest

from apps.templates import previews, rendering
from tests.templates.conftest import EMAIL, PUSH, Api, pointers


def test_a_preview_is_what_would_be_sent(api: Api) -> None:
    api.post("", EMAIL | {"html": "<p>{{ name }}</p>"})
    variables = {"name": "<Ada>\r\n", "link": "x", "more": 1}

    response = api.post("welcome/preview", {"variables": variables})

    assert response.status_code == 200
    assert response.json() == {
        "template_code": "welcome",
        "notification_type": "email",
        "language": "en",
        "version": 1,
        "subject": "Welcome, <Ada>",
        "body": "Hello <Ada>\r\n, see x",
        "html": "<p>&lt;Ada&gt;\r\n</p>",
        "missing": [],
        "unused": ["more"],
        "from_name": "",
        "reply_to": "",
        "empty": [],
        "refused_links": [],
        "replaced": [],
    }
    pinned = rendering.pin("welcome", language=None, locale=None)
    sent = rendering.render(pinned.version_id, variables)
    assert isinstance(sent, rendering.EmailContent)
    assert (sent.subject, sent.text, sent.html) == (
        response.json()["subject"],
        response.json()["body"],
        response.json()["html"],
    )


def test_missing_variables_are_left_empty_and_listed(api: Api) -> None:
    api.post("", PUSH | {"link": None})

    answer = api.post("parcel/preview/", {}).json()

    assert answer["title"] == "Parcel"
    assert answer["data"] == {"parcel": ""}
    assert answer["missing"] == ["day", "number"]
    assert answer["unused"] == []


def test_a_link_that_would_lead_nowhere_is_told(api: Api, settings: Any) -> None:
    html = (
        '<a href="{{ name }}">a</a><a href="{{ link }}/x">b</a><a href="{{ link | upcase }}">c</a>'
        "<a href=\"https://example.com/{{ name }}\">d</a><img src='{{ link }}'>"
    )
    api.post("", EMAIL | {"html": html})
    variables = {"name": "https://example.com", "link": "myapp://order/42"}

    answer = api.post("welcome/preview", {"variables": variables}).json()

    assert answer["refused_links"] == ["{{ link | upcase }}", "{{ link }}", "{{ link }}/x"]
    assert answer["html"].count("myapp") == 0
    settings.LINK_SCHEMES = frozenset({"https", "myapp"})
    answer = api.post("welcome/preview", {"variables": variables}).json()
    assert answer["refused_links"] == []
    assert 'href="myapp://order/42/x"' in answer["html"]


def test_a_preview_follows_the_language(api: Api) -> None:
    api.post("", EMAIL)
    api.put("welcome", {"language": "pt", "subject": "Olá", "body": "x"})

    answer = api.post("welcome/preview", {"variables": {}, "language": "pt-BR"}).json()

    assert (answer["subject"], answer["language"]) == ("Olá", "pt")


def test_an_unpublished_version_can_be_previewed(api: Api) -> None:
    api.post("", EMAIL)
    api.put("welcome", {"subject": "Two", "body": "x"})

    shown = previews.preview("welcome", variables={"name": "Ada", "link": "x"}, version=1)

    assert isinstance(shown.content, rendering.EmailContent)
    assert (shown.content.subject, shown.version) == ("Welcome, Ada", 1)
    with pytest.raises(previews.UnknownVersion):
        previews.preview("welcome", variables={}, version=3)


@pytest.mark.parametrize(
    ("body", "status", "wrong"),
    [
        ({"variables": []}, 400, [("/variables", "not_a_dict")]),
        ({"variables": {}, "language": "?"}, 400, [("/language", "invalid_language")]),
        ({"variables": {}, "x": 1}, 400, [("/x", "unknown_field")]),
        ({"variables": {"number": "a b"}}, 422, [("/variables", "render_failed")]),
    ],
)
def test_an_invalid_preview_request_names_the_error(
    api: Api, body: dict[str, Any], status: int, wrong: list[tuple[str, str]]
) -> None:
    api.post("", PUSH)

    response = api.post("parcel/preview", body)

    assert response.status_code == status
    assert pointers(response) == wrong


def test_a_preview_of_an_unknown_template_is_not_found(api: Api) -> None:
    assert api.post("nothing/preview", {"variables": {}}).status_code == 404
