"""Redact secrets: keep the names of variables, and the fact that a row had a recipient."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, CharField, F, Func, JSONField, When

REDACTED = "[redacted]"

# An empty string for a recipient, and null for null, which means that a client sent the
# notification. SUBSTR with length 0 is used because every final status is written with this
# expression, and a CASE takes Django twice as long to compile.
BLANK_RECIPIENT = Func(
    F("recipient"), template="SUBSTR(%(expressions)s, 1, 0)", output_field=CharField()
)
# The secret variables of a client's notification; null for an account mail.
VALUES_OF_CLIENTS = Case(
    When(recipient__isnull=True, then=F("secret_variables")), output_field=JSONField()
)

# The column values of a notification whose user was erased. The digests are erased too, because a
# short code could be found from them by brute force.
ERASED: dict[str, Any] = {
    "variables": {},
    "secret_variables": None,
    "recipient": BLANK_RECIPIENT,
    "metadata": {},
    "reply_to": None,
    "request_id": None,
    "body_digest": b"",
    "canonical_digest": None,
    "digest_form": None,
}


def redacted(variables: Mapping[str, Any]) -> dict[str, str]:
    """Keep the top-level names and replace every value, including nested ones."""
    return dict.fromkeys(variables, REDACTED)
