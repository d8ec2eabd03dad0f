"""A check for the fuzzer: what the document allows is refused only for what no document can say."""

from typing import Any

import schemathesis

from apps.templates.content import CONTENT_FIELDS

# Whether something exists, or may be used once more.
EXISTENCE = frozenset({
    "expired", "idempotency_key_reused", "invalid_cursor", "invalid_timezone", "invalid_token",
    "unknown_notification", "unknown_template", "unknown_user",
})  # fmt: skip
# What two fields have to do with each other, or a field with the caller or with the time.
RELATIONS = frozenset({
    "already_expired", "expires_before_schedule", "immutable", "mismatch", "missing_variables",
    "out_of_range", "required", "scope_needed", "too_many_points", "type_mismatch",
    "window_too_large", "without_token",
})  # fmt: skip
# What a text or a file says. How strong a password has to be is a setting, as is where webhooks may
# be sent.
CONTENT = frozenset({
    "address_not_allowed", "bad_name", "empty", "https_needed", "password_entirely_numeric",
    "password_too_common", "password_too_short", "password_too_similar", "render_failed",
    "template_error",
})  # fmt: skip
# Which hosts and ports there are.
NO_SUCH_HOST = frozenset({
    "Expected a URL such as https://example.com/hook.", "The host of the URL is no valid name.",
    "This is no valid URL.",
})  # fmt: skip
SAID_BY_NO_DOCUMENT = EXISTENCE | RELATIONS | CONTENT


# The endpoints that take a file.
FILES = ("/upload", "/suppressions/import")

# The rules of a template's fields depend on its channel.
OF_CHANNEL = frozenset(CONTENT_FIELDS)


def wrongly_refused(problem: dict[str, Any], *, path: str) -> list[dict[str, Any]]:
    """Return the errors of an answer that the document should have stated."""
    return [error for error in problem["errors"] if not _is_beyond(error, path)]


def _is_beyond(error: dict[str, Any], path: str) -> bool:
    """Return whether an error is about something that no document can say."""
    _, field, *inside = error["pointer"].split("/") if "/" in error["pointer"] else ("", "")
    return any(
        (
            error["code"] in SAID_BY_NO_DOCUMENT,
            # The values and keys inside of a free object have no schema.
            error["code"] == "control_character" and inside,
            # JSON Schema takes 6.0 for an integer.
            error["detail"] in {"Expected `int`, got `float`.", "Expected a whole number."},
            error["code"] == "blank" and error["pointer"].startswith("?"),
            error["code"] == "invalid_url" and error["detail"] in NO_SUCH_HOST,
            # One of several fields.
            field == "audience",
            # Which characters are printable is a table of Unicode.
            error["detail"].startswith("Idempotency-Key takes"),
            # What is wrong in a file.
            path.endswith(FILES) and not error["pointer"].startswith("?"),
            # An address that no mail server takes.
            field == "reply_to",
            "/templates/" in path and field in OF_CHANNEL,
        )
    )


@schemathesis.check
def only_what_exists_is_refused(_: Any, response: Any, case: Any) -> None:
    """Fail if a request that fits its schema is refused for its form.

    Raises:
        AssertionError: An error has another code than those of ``SAID_BY_NO_DOCUMENT``.
    """
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if positive and response.status_code in {400, 422}:
        wrong = wrongly_refused(response.json(), path=case.operation.path)
        assert not wrong, f"The document allows what was refused: {wrong}"


@schemathesis.serializer("message/rfc822")
def as_mail(_: Any, value: Any) -> bytes:
    """Write a generated text as the body of a mail."""
    return str(value).encode("utf-8", "replace")
