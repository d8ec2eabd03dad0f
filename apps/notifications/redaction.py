"""What stays of the variables of a sensitive template: their names, and a word for each value."""

from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

# What is left of a notification to a person who was erased. The digest goes as well: a short code
# could be found by trying, until it fits.
ERASED: dict[str, Any] = {
    "variables": {},
    "secret_variables": None,
    "metadata": {},
    "request_id": None,
    "body_digest": b"",
}


def redacted(variables: Mapping[str, Any]) -> dict[str, str]:
    """Keep the names and replace every value, however deep it is."""
    return dict.fromkeys(variables, REDACTED)
