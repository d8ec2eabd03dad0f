"""What stays of the variables of a sensitive template: their names, and a word for each value."""

from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"


def redacted(variables: Mapping[str, Any]) -> dict[str, str]:
    """Keep the names and replace every value, however deep it is."""
    return dict.fromkeys(variables, REDACTED)
