"""Reads the texts, chooses the language, and renders. A language is one file beside this module."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from apps.common.languages import fallbacks
from apps.templates.composing import EmailContent, RenderError, compose, missing_paths
from apps.templates.content import ParsedContent, parse_stored
from apps.templates.models import Channel

FOLDER = Path(__file__).parent
LANGUAGES = frozenset(file.stem for file in FOLDER.glob("*.toml"))
DEFAULT_LANGUAGE = "en"
# No stored template is made with such a code, so that lists, filters and counts tell the two apart.
# What a mail says depends on it in no way: rendering never looks a code of ours up.
CODE_PREFIX = "system:"
RESERVED = f"Codes that begin with {CODE_PREFIX} belong to the system itself."
# What each mail is filled with. A confirmation names nobody: a stranger may have typed the name, as
# words to the owner of an address that is not theirs.
VARIABLES: Mapping[str, frozenset[str]] = {
    "reset-password": frozenset({"name", "link", "until"}),
    "confirm-email": frozenset({"link", "until"}),
}


def code_of(mail: str) -> str:
    """Return the template code that a notification with this text carries."""
    return f"{CODE_PREFIX}{mail}"


def is_reserved(code: str) -> bool:
    """Tell whether no stored template may be made with this code."""
    return code.lower().startswith(CODE_PREFIX)


def language_for(locale: str) -> str:
    """Choose the language for a recipient's locale: itself, its shorter forms, then English."""
    return next((tag for tag in fallbacks(locale) if tag in LANGUAGES), DEFAULT_LANGUAGE)


def render(code: str, *, language: str, variables: Mapping[str, Any]) -> EmailContent:
    """Render a mail.

    Args:
        code: As ``code_of`` makes it. Only the files here are looked at, never a stored template.
        language: One that ``language_for`` chose.
        variables: Those that ``VARIABLES`` names.

    Raises:
        RenderError: There is no such text, or a variable is missing.
    """
    mail = code.removeprefix(CODE_PREFIX)
    if mail not in VARIABLES or language not in LANGUAGES:
        raise RenderError("this version of the software has no such text")
    missing = missing_paths(VARIABLES[mail], variables)
    if missing:
        raise RenderError(f"required variables are missing: {', '.join(missing)}")
    content = compose(_parsed(mail, language), variables)
    assert isinstance(content, EmailContent)
    return content


@cache
def _parsed(mail: str, language: str) -> ParsedContent:
    written = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    pieces: dict[str, str] = written[mail]
    direction = written.get("direction", "ltr")
    return parse_stored(
        Channel.EMAIL,
        {
            "subject": pieces["subject"],
            "body": _layout("layout.txt").substitute(pieces),
            # No piece has a character that HTML would want escaped; a test holds them to it.
            "html": _layout("layout.html").substitute(
                pieces, language=language, direction=direction
            ),
        },
    )


def _layout(name: str) -> Template:
    return Template((FOLDER / name).read_text(encoding="utf-8"))
