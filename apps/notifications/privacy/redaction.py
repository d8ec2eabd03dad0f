"""What stays of what is secret: of variables their names, of a recipient that there was one."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, CharField, F, Func, JSONField, When

REDACTED = "[redacted]"

# The first none of its characters. Null stays null: it says that a client sent the notification.
# Every ending is written with this, and a CASE costs Django twice as much to compile.
BLANK_RECIPIENT = Func(
    F("recipient"), template="SUBSTR(%(expressions)s, 1, 0)", output_field=CharField()
)
# The values of what a client sent; null for a mail about an account.
VALUES_OF_CLIENTS = Case(
    When(recipient__isnull=True, then=F("secret_variables")), output_field=JSONField()
)

# What is left of a notification to a person who was erased. The digests go as well: a short code
# could be found by trying, until it fits.
ERASED: dict[str, Any] = {
    "variables": {},
    "secret_variables": None,
    "recipient": BLANK_RECIPIENT,
    "metadata": {},
    "request_id": None,
    "body_digest": b"",
    "canonical_digest": None,
    "digest_form": None,
}


def redacted(variables: Mapping[str, Any]) -> dict[str, str]:
    """Keep the names and replace every value, however deep it is."""
    return dict.fromkeys(variables, REDACTED)
