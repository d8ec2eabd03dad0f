"""The fields of the OpenAPI document say what is allowed, as generators and validators read it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.webhooks import addresses
from tests.contracts.test_openapi_clients import nodes

pytestmark = pytest.mark.django_db


def fields(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of every component."""
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            yield f"{name}.{field}", described


def test_defaults_are_sentences(document: dict[str, Any]) -> None:
    """Of a field with a default, TypeScript's types say that a request must have it."""
    described = dict(fields(document))
    assert [name for name, field in described.items() if "default" in field] == []
    assert described["SendNotification.priority"]["description"] == (
        "9 is the most urgent. The default is 5."
    )
    assert described["SendBroadcast.priority"]["description"].endswith("The default is 1.")
    assert described["NewTemplate.critical"]["description"].endswith("The default is false.")
    assert described["NewTemplate.category"]["description"].endswith("The default is general.")
    assert "default" not in described["SendNotification.variables"].get("description", "")


def test_an_object_with_free_keys_says_so(document: dict[str, Any]) -> None:
    """Without that, TypeScript's types allow no key at all."""
    objects = [
        node
        for node in nodes(document["components"])
        if "object" in node.get("type", ()) and "properties" not in node
    ]
    assert [node for node in objects if "additionalProperties" not in node] == []
    assert dict(fields(document))["SendNotification.variables"]["additionalProperties"] == {}


def test_a_choice_has_the_type_of_its_values(document: dict[str, Any]) -> None:
    choices = [node for node in nodes(document["components"]) if isinstance(node.get("enum"), list)]
    assert len(choices) > 20
    assert [node for node in choices if "type" not in node] == []


def test_texts_and_keys_of_bodies_state_the_characters_that_are_refused(
    document: dict[str, Any],
) -> None:
    described = dict(fields(document))
    name = described["NewUser.name"]["pattern"]
    assert re.search(name, "Ada Lovelace")
    assert not any(re.search(name, wrong) for wrong in ("a\x00", " ", "a\nb", "\x1f"))
    code = described["SendNotification.template_code"]["pattern"]
    assert not any(re.search(code, wrong) for wrong in ("a\x00", "   "))
    keys = described["SendNotification.variables"]["propertyNames"]["pattern"]
    assert re.search(keys, "order\n")
    assert not re.search(keys, "\x07")
    assert "pattern" not in described["Notification.template_code"], "an answer refuses nothing"


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("NewUser.locale", ["en", " pt-BR ", "de-DE-u-co-phonebk"], ["", "e", "en_US", "\x0ben"]),
        ("NewTemplate.language", ["en", "zh-Hant"], ["de-DE-u-co-phonebk", "english-"]),
    ],
)
def test_language_tags_have_the_pattern_by_which_they_are_read(
    document: dict[str, Any], field: str, good: list[str], bad: list[str]
) -> None:
    pattern = dict(fields(document))[field]["pattern"]
    assert [text for text in good if not re.search(pattern, text)] == []
    assert [text for text in bad if re.search(pattern, text)] == []


@pytest.mark.parametrize("field", ["NewWebhook.url", "WebhookPatchChanges.url"])
def test_the_url_of_a_webhook_states_its_form(document: dict[str, Any], field: str) -> None:
    pattern = dict(fields(document))[field]["pattern"]
    good = ["https://example.com", "HTTPS://example.com:8443/a/@b?c=d%20", "https://[2606::1]/hook"]
    bad = [
        "example.com",
        "ftp://example.com",
        "https://",
        "https:///hook",
        "https://exämple.com/hook",
        "https://example.com/a b",
        "https://example.com/a\tb",
        "https://ada:secret@example.com/hook",
        "https://example.com\\@evil.example/hook",
        "https://example.com/hook#part",
        " https://example.com/hook",
    ]
    assert [text for text in good if not re.search(pattern, text)] == []
    assert [text for text in bad if re.search(pattern, text)] == []


@given(st.text(st.characters(max_codepoint=0x17F), max_size=30))
def test_no_url_is_taken_that_the_document_refuses(rest: str) -> None:
    try:
        addresses.checked_url(f"https://{rest}")
    except addresses.RefusedUrlError:
        return
    assert re.search(addresses.DESCRIBED_URL, f"https://{rest}")
