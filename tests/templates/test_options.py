"""Options beside the texts: sender's name, reply address, and how a push is shown."""

from pathlib import Path
from typing import Any

import pytest

from apps.templates import rendering
from apps.templates.catalog import export_templates, import_templates
from apps.templates.models import Template, TemplateVersion
from apps.templates.rendering import EmailContent, PushContent, RenderError
from tests.templates.conftest import EMAIL, PUSH, Api, place_of

PARCEL = {"number": 7, "day": "today", "name": "Ada", "link": "https://example.com"}
MAIL_OPTIONS: dict[str, Any] = {"from_name": "Shop of {{ name }}", "reply_to": "help@example.com"}
PUSH_OPTIONS: dict[str, Any] = {
    "sound": "bell.caf",
    "badge": 0,
    "channel_id": "orders",
    "silent": False,
    "ttl_seconds": 3600,
    "collapse_id": "order-{{ number }}",
}


def rendered(api: Api, body: dict[str, Any]) -> EmailContent | PushContent:
    assert api.post("", body).status_code == 201
    pinned = rendering.pin(body["code"], language=None, locale=None)
    return rendering.render(pinned.version_id, PARCEL)


def test_a_mail_has_the_sender_s_name_and_the_reply_address_of_its_template(api: Api) -> None:
    content = rendered(api, EMAIL | MAIL_OPTIONS)

    assert isinstance(content, EmailContent)
    assert (content.from_name, content.reply_to) == ("Shop of Ada", "help@example.com")


def test_a_push_has_the_options_of_its_template(api: Api) -> None:
    content = rendered(api, PUSH | PUSH_OPTIONS)

    assert isinstance(content, PushContent)
    shown = {name: getattr(content, name) for name in PUSH_OPTIONS}
    assert shown == {**PUSH_OPTIONS, "collapse_id": "order-7"}


def test_options_are_answered_as_they_were_given(api: Api) -> None:
    for body, options in ((EMAIL, MAIL_OPTIONS), (PUSH, PUSH_OPTIONS)):
        answer = api.post("", body | options).json()
        assert {name: answer[name] for name in options} == options


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        (EMAIL, "reply_to", "help"),
        (EMAIL, "reply_to", "Help <help@example.com>"),
        (EMAIL, "reply_to", "a@example.com, b@example.com"),
        (EMAIL, "reply_to", "{{ name }}@example.com\r\nBcc: x@example.com"),
        (EMAIL, "sound", "bell"),
        (PUSH, "reply_to", "help@example.com"),
        (PUSH, "from_name", "Shop"),
        (PUSH, "badge", -1),
        (PUSH, "badge", "3"),
        (PUSH, "badge", 10**9),
        (PUSH, "ttl_seconds", 2_419_201),
        (PUSH, "silent", "yes"),
        (PUSH, "sound", "a\nb"),
        (PUSH, "channel_id", "x" * 101),
    ],
)
def test_an_invalid_option_is_refused_at_its_field(
    api: Api, body: dict[str, Any], name: str, value: Any
) -> None:
    answer = api.post("", body | {name: value})

    assert (answer.status_code, place_of(answer)) == (400, f"/{name}")


def test_a_silent_push_needs_no_text(api: Api) -> None:
    silent = {name: value for name, value in PUSH.items() if name not in {"title", "body"}}

    content = rendered(api, silent | {"silent": True, "data": {"sync": "1"}})

    assert isinstance(content, PushContent)
    assert (content.silent, content.title, content.body) == (True, "", "")
    shown = api.get(silent["code"]).json()
    assert (shown["title"], shown["body"], shown["silent"]) == ("", "", True)


def test_a_push_that_is_shown_needs_its_text(api: Api) -> None:
    silent = {name: value for name, value in PUSH.items() if name != "title"}

    answer = api.post("", silent | {"silent": False})

    assert (answer.status_code, place_of(answer)) == (400, "/title")


def test_a_collapse_id_is_as_long_as_apns_allows(api: Api) -> None:
    with pytest.raises(RenderError, match="collapse_id: is longer than 64 bytes"):
        rendered(api, PUSH | {"collapse_id": "x" * 64 + "{{ number }}"})


def test_options_are_exported_and_imported(api: Api, tmp_path: Path) -> None:
    for body, options in ((EMAIL, MAIL_OPTIONS), (PUSH, PUSH_OPTIONS)):
        api.post("", body | options)
    before = {row.template.code: row.content for row in TemplateVersion.objects.all()}
    export_templates(tmp_path)
    Template.objects.all().delete()

    import_templates(tmp_path)

    assert {row.template.code: row.content for row in TemplateVersion.objects.all()} == before


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("google.c.a", "'google.'"),
        ("gcm.message", "'gcm.'"),
        ("from", "FCM reserves"),
        ("message_type", "FCM reserves"),
        ("notification_id", "The notification's id"),
        ("correlation_id", "The correlation id"),
    ],
)
def test_a_reserved_key_of_the_data_is_refused_with_the_reason(
    api: Api, key: str, reason: str
) -> None:
    answer = api.post("", PUSH | {"data": {key: "x"}})

    assert (answer.status_code, place_of(answer)) == (400, f"/data/{key}")
    assert reason in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("key", ["google_id", "gcmx", "fromage", "sender", "collapse_key"])
def test_other_keys_of_the_data_are_accepted(api: Api, key: str) -> None:
    assert api.post("", PUSH | {"data": {key: "x"}}).status_code == 201
