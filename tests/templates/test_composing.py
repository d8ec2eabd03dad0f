"""Composing a whole message: one-line fields, links, data, and missing variables."""

from typing import Any
from uuid import uuid4

import pytest

from apps.templates import rendering
from apps.templates.rendering import EmailContent, PushContent, RenderError
from tests.templates.conftest import EMAIL, PUSH, Api, place_of

PARCEL = {"number": 7, "day": "today"}


def made(api: Api, body: dict[str, Any]) -> rendering.PinnedTemplate:
    assert api.post("", body).status_code == 201
    return rendering.pin(body["code"], language=None, locale=None)


def test_an_email_is_composed(api: Api) -> None:
    pinned = made(api, EMAIL | {"html": "<p>{{ name }}</p>"})

    content = rendering.render(pinned.version_id, {"name": "<Ada>", "link": "https://e.com"})

    assert content == EmailContent(
        subject="Welcome, <Ada>",
        text="Hello <Ada>, see https://e.com",
        html="<p>&lt;Ada&gt;</p>",
    )


def test_a_push_message_is_composed(api: Api) -> None:
    pinned = made(api, PUSH)

    content = rendering.render(pinned.version_id, PARCEL)

    assert content == PushContent(
        title="Parcel 7",
        body="It arrives today.",
        image=None,
        link="https://example.com/7",
        data={"parcel": "7"},
    )


@pytest.mark.parametrize("name", ["Ada\r\nBcc: eve@example.com", "Ada\nBcc: eve@example.com"])
def test_a_value_cannot_add_another_header(api: Api, name: str) -> None:
    pinned = made(api, EMAIL)

    content = rendering.render(pinned.version_id, {"name": name, "link": "x"})

    assert isinstance(content, EmailContent)
    assert content.subject == "Welcome, Ada Bcc: eve@example.com"


def test_a_title_is_one_line(api: Api) -> None:
    pinned = made(api, PUSH | {"title": "{{ number }}", "link": None})

    content = rendering.render(pinned.version_id, {"number": "\x001\u2028\x852\n", "day": "x"})

    assert isinstance(content, PushContent)
    assert content.title == "1 2"


def test_a_long_subject_is_truncated(api: Api) -> None:
    pinned = made(api, EMAIL)

    content = rendering.render(pinned.version_id, {"name": "x" * 2000, "link": "x"})

    assert isinstance(content, EmailContent)
    assert len(content.subject) == 998
    assert content.subject.endswith("x…")


BAD_LINKS = [
    *["javascript:x", "JavaScript:x", "data:text/html,x", "vbscript:x", "file:///etc/passwd"],
    *["example.com", "/orders/1", "//e", "https://", "https://e.com/a b", "myapp:", "my app://x"],
]
GOOD_LINKS = ["https://e.com/1", "http://e.com", "myapp://order/1", "myapp:order", "tel:+123"]


@pytest.mark.parametrize("link", BAD_LINKS)
def test_a_link_that_no_device_can_open_is_not_sent(api: Api, link: str) -> None:
    pinned = made(api, PUSH | {"link": "{{ number }}"})

    with pytest.raises(RenderError, match="link: Expected an absolute address"):
        rendering.render(pinned.version_id, {"number": link, "day": "x"})


@pytest.mark.parametrize("link", BAD_LINKS)
def test_a_constant_link_that_no_device_can_open_is_not_saved(api: Api, link: str) -> None:
    answer = api.post("", PUSH | {"link": link})

    assert (answer.status_code, place_of(answer)) == (400, "/link")


@pytest.mark.parametrize("link", GOOD_LINKS)
def test_a_link_may_have_the_scheme_of_an_app(api: Api, link: str) -> None:
    constant = made(api, PUSH | {"code": "constant", "link": link})
    variable = made(api, PUSH | {"link": "{{ number }}"})

    for pinned in (constant, variable):
        content = rendering.render(pinned.version_id, {"number": link, "day": "x"})
        assert isinstance(content, PushContent)
        assert content.link == link


@pytest.mark.parametrize("image", ["/a.png", "myapp://a.png", "a.png", "data:image/png,x"])
def test_a_constant_picture_needs_a_web_address(api: Api, image: str) -> None:
    answer = api.post("", PUSH | {"image": image})

    assert (answer.status_code, place_of(answer)) == (400, "/image")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": [True, None]}, '{"a": 1, "b": [true, null]}'),
        (["a", None, {"b": "ä"}], 'a{"b": "ä"}'),
        ([1, [2, None]], "12"),
        (None, ""),
        (True, "true"),
    ],
)
def test_objects_are_written_as_json_and_null_as_nothing(api: Api, value: Any, text: str) -> None:
    pinned = made(api, PUSH | {"link": None, "data": {"order": "{{ order | default: '' }}"}})

    content = rendering.render(pinned.version_id, {**PARCEL, "order": value})

    assert isinstance(content, PushContent)
    assert content.data == {"order": text}


def test_an_empty_link_counts_as_none(api: Api) -> None:
    pinned = made(api, PUSH | {"link": "{% if url %}{{ url }}{% endif %}"})

    content = rendering.render(pinned.version_id, PARCEL)

    assert isinstance(content, PushContent)
    assert content.link is None


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, ["order"]),
        ({"order": None}, ["order"]),
        ({"order": {}}, ["order.total"]),
        ({"order": "text"}, ["order.total"]),
        ({"order": {"total": None}}, ["order.total"]),
        ({"order": {"total": 0}}, []),
        ({"order": {"total": ""}}, []),
    ],
)
def test_missing_variables_have_the_same_names_before_and_during_rendering(
    api: Api, variables: dict[str, Any], missing: list[str]
) -> None:
    pinned = made(api, EMAIL | {"subject": "{{ order.total }}", "body": "x"})

    assert rendering.missing_variables(pinned, variables) == missing
    if missing:
        with pytest.raises(RenderError, match=f"required variables are missing: {missing[0]}"):
            rendering.render(pinned.version_id, variables)
    else:
        rendering.render(pinned.version_id, variables)


def test_an_error_names_its_field_and_not_the_value(api: Api) -> None:
    pinned = made(api, EMAIL | {"subject": "x", "body": "{{ a | divided_by: b }}"})

    with pytest.raises(RenderError) as caught:
        rendering.render(pinned.version_id, {"a": "secret", "b": 0})

    assert caught.value.place == "body"
    assert "secret" not in str(caught.value)


def test_a_value_that_raises_when_printed_is_a_render_error(api: Api) -> None:
    pinned = made(api, EMAIL | {"subject": "x", "body": "{{ a }}"})

    class Strange:
        def __str__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(RenderError, match="body: cannot be rendered"):
        rendering.render(pinned.version_id, {"a": Strange()})


@pytest.mark.django_db
def test_an_unknown_version_is_an_error() -> None:
    with pytest.raises(RenderError, match="does not exist"):
        rendering.render(uuid4(), {})
