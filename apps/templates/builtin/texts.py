"""Read the built-in texts, choose a language and render. Each language is one TOML file here."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from apps.common.channels import Channel
from apps.common.languages import fallbacks
from apps.templates.composing import EmailContent, RenderError, compose, missing_paths
from apps.templates.content import ParsedContent, parse_stored
from apps.templates.engine.releases import CURRENT
from apps.templates.engine.sandbox import RenderOptions

FOLDER = Path(__file__).parent
LANGUAGES = frozenset(file.stem for file in FOLDER.glob("*.toml"))
DEFAULT_LANGUAGE = "en"
# Stored templates cannot have such a code, so that lists, filters and counts can distinguish them
# from built-in texts. Rendering a built-in text never looks up its code in the database.
CODE_PREFIX = "system:"
RESERVED = f"Codes that begin with {CODE_PREFIX} belong to the system itself."
# The variables of each mail. A confirmation has no name: somebody could enter a message as the name
# and somebody else's address, and so send the message to that address.
VARIABLES: Mapping[str, frozenset[str]] = {
    "reset-password": frozenset({"name", "link", "until"}),
    "confirm-email": frozenset({"link", "until"}),
    "notice-raised": frozenset(
        {"where", "title", "said", "since", "advice", "page", "link", "runbook"}
    ),
    "notice-over": frozenset(
        {"where", "title", "said", "over", "since", "until", "lasted", "page", "link", "runbook"}
    ),
}
# The layout of each mail that has another one than mails about accounts. Mails to operators exist
# in English only, as the desk and the documents to which they lead.
LAYOUTS: Mapping[str, str] = {"notice-raised": "notice", "notice-over": "notice"}
FOR_OPERATORS = frozenset(LAYOUTS)


def code_of(mail: str) -> str:
    """Return the template code of notifications with this text."""
    return f"{CODE_PREFIX}{mail}"


def is_reserved(code: str) -> bool:
    """Return whether a code is reserved for built-in texts."""
    return code.lower().startswith(CODE_PREFIX)


def language_for(locale: str) -> str:
    """Return the language for a locale: the locale itself, its shorter forms, then English."""
    return next((tag for tag in fallbacks(locale) if tag in LANGUAGES), DEFAULT_LANGUAGE)


def languages_of(mail: str) -> frozenset[str]:
    """Return the languages that a text exists in."""
    return frozenset({DEFAULT_LANGUAGE}) if mail in FOR_OPERATORS else LANGUAGES


def render(code: str, *, language: str, variables: Mapping[str, Any]) -> EmailContent:
    """Render a mail.

    Args:
        code: The result of ``code_of``. Only the files here are used, never a stored template.
        language: The result of ``language_for``.
        variables: The variables that ``VARIABLES`` lists.

    Raises:
        RenderError: There is no such text, or a variable is missing.
    """
    mail = code.removeprefix(CODE_PREFIX)
    is_known = mail in VARIABLES and language in languages_of(mail)
    if not is_known:
        raise RenderError("this version of the software has no such text")
    missing = missing_paths(VARIABLES[mail], variables)
    if missing:
        raise RenderError(f"required variables are missing: {', '.join(missing)}")
    options = RenderOptions(language=language)
    content = compose(_parsed(mail, language), variables, options)
    assert isinstance(content, EmailContent)
    return content


@cache
def _parsed(mail: str, language: str) -> ParsedContent:
    written = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    pieces: dict[str, str] = written[mail]
    direction = written.get("direction", "ltr")
    layout = LAYOUTS.get(mail, "layout")
    return parse_stored(
        Channel.EMAIL,
        {
            "subject": pieces["subject"],
            "body": _layout(f"{layout}.txt").substitute(pieces),
            # No piece has a character that needs escaping in HTML; a test checks this.
            "html": _layout(f"{layout}.html").substitute(
                pieces, language=language, direction=direction
            ),
        },
        engine=CURRENT,
    )


def _layout(name: str) -> Template:
    return Template((FOLDER / name).read_text(encoding="utf-8"))
