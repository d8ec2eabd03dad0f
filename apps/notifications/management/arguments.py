"""Arguments of the operator's command line. This module loads nothing but parsers."""

import json
from argparse import ArgumentTypeError, _SubParsersAction
from datetime import UTC, datetime
from typing import Any, TypeAlias

from django.core.management.base import CommandParser

PACKAGE = "apps.notifications.management"
# The client and the actor of what an operator does on the command line.
OPERATOR = "operator"

Words: TypeAlias = "_SubParsersAction[CommandParser]"


def add_word(words: Words, name: str, run: str, summary: str) -> CommandParser:
    """Add a subcommand.

    Args:
        words: The subcommands of the parent.
        name: The word on the command line.
        run: The function that receives the arguments and the output, as a path below this package.
            It is imported when it runs, so that no subcommand loads the libraries of the others.
        summary: The help text.
    """
    added: CommandParser = words.add_parser(name, help=summary, description=summary)
    added.set_defaults(run=f"{PACKAGE}.{run}")
    return added


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object given as an argument."""
    try:
        value = json.loads(text)
    except ValueError as error:
        message = f"not JSON: {error}"
        raise ArgumentTypeError(message) from None
    if not isinstance(value, dict):
        raise ArgumentTypeError("expected a JSON object")
    return value


def moment(text: str) -> datetime:
    """Parse a time given as an argument; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError("expected a time such as 2026-11-22T12:00:00Z") from None
