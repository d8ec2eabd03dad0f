"""The check of the fuzzer finds what the document should have stated."""

from typing import Any

import pytest

from tests.fuzz_checks import wrongly_refused

SEND = "/api/v1/notifications/"


def error(pointer: str, code: str, detail: str = "") -> dict[str, Any]:
    return {"pointer": pointer, "code": code, "detail": detail}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (SEND, error("/user_id", "unknown_user")),
        (SEND, error("/variables/a", "control_character")),
        (SEND, error("/priority", "invalid", "Expected `int`, got `float`.")),
        ("/api/v1/templates/", error("/subject", "blank")),
        ("/api/v1/users/", error("/platform", "without_token")),
        ("/api/v1/batches/upload", error("/lines/1", "malformed_csv")),
        ("/api/v1/webhooks/", error("/url", "invalid_url", "This is no valid URL.")),
    ],
)
def test_what_no_document_can_say_may_be_refused(path: str, found: dict[str, Any]) -> None:
    assert wrongly_refused({"errors": [found]}, path=path) == []


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (SEND, error("/language", "invalid")),
        (SEND, error("/template_code", "control_character")),
        (SEND, error("/priority", "invalid", "Expected `int` <= 9.")),
        ("/api/v1/users/", error("/locale", "invalid_locale")),
        ("/api/v1/users/", error("/subject", "blank")),
        ("/api/v1/templates/", error("/language", "invalid_language")),
        ("/api/v1/batches/upload", error("?language", "invalid")),
        ("/api/v1/webhooks/", error("/url", "invalid_url", "A URL may not have a fragment.")),
    ],
)
def test_what_a_document_can_say_may_not_be_refused(path: str, found: dict[str, Any]) -> None:
    other = error("/user_id", "unknown_user")
    assert wrongly_refused({"errors": [other, found]}, path=path) == [found]
