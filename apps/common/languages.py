"""Language tags (BCP 47): their canonical spelling and their fallback chain."""

import re
from collections.abc import Iterator

MAX_LENGTH = 35  # The length that every application must support (RFC 5646, 4.4.1).
REGION_LETTERS = 2
SCRIPT_LETTERS = 4

# RFC 5646, 2.1, without the grandfathered tags. Registered languages have two or three letters.
TAG = re.compile(
    r"""[a-z]{2,3}(?:-[a-z]{3}){0,3}        # language, extended languages
        (?:-[a-z]{4})?                      # script
        (?:-(?:[a-z]{2}|[0-9]{3}))?         # region
        (?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*  # variants
        (?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*      # extensions
        (?:-x(?:-[a-z0-9]{1,8})+)?          # private use
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


# What is removed around a text of a body before it is read: white space, but for the control
# characters among it, which are refused.
BLANKS = r"[^\S\x0b\x0c\x1c-\x1f]*"
# ``TAG`` for the OpenAPI document, whose regular expressions have no flags: without and with
# extensions and private use. In the address of a call no blanks are removed.
_CONTENT = (
    r"[A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"
    r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
)
CONTENT_PATTERN = rf"^{BLANKS}{_CONTENT}{BLANKS}$"
QUERY_PATTERN = rf"^{_CONTENT}$"
TAG_PATTERN = (
    rf"^{BLANKS}{_CONTENT}(-[0-9A-WY-Za-wy-z](-[A-Za-z0-9]{{2,8}})+)*"
    rf"(-[xX](-[A-Za-z0-9]{{1,8}})+)?{BLANKS}$"
)


# The single letter or digit that begins an extension or private use (RFC 5646, 2.2.6).
SINGLETON = re.compile(r"-[a-z0-9]-", re.IGNORECASE | re.ASCII)


def canonical_tag(tag: str) -> str | None:
    """Return a tag as RFC 5646, 2.1.1 recommends, such as ``pt-BR``; None if it is malformed."""
    if len(tag) > MAX_LENGTH or not TAG.fullmatch(tag):
        return None
    first, *rest = tag.lower().split("-")
    spelled = [first]
    for position, part in enumerate(rest):
        after_singleton = any(len(earlier) == 1 for earlier in rest[:position])
        if len(part) == REGION_LETTERS and not after_singleton:
            spelled.append(part.upper())
        elif len(part) == SCRIPT_LETTERS and part.isalpha() and not after_singleton:
            spelled.append(part.title())
        else:
            spelled.append(part)
    return "-".join(spelled)


def canonical(tag: str) -> str:
    """Return the canonical tag of a content language, without extensions and private use.

    Raises:
        ValueError: The text is not a language tag, or it has an extension or private use.
    """
    found = canonical_tag(tag)
    if found is None or SINGLETON.search(tag):
        message = "Expected a language tag such as en, pt-BR or zh-Hant."
        raise ValueError(message)
    return found


def fallbacks(tag: str | None) -> Iterator[str]:
    """Yield a tag and its shorter forms (RFC 4647, section 3.4): ``pt-BR``, then ``pt``.

    Extensions are removed first. Nothing is yielded for a missing or malformed tag: an invalid
    stored locale must not stop a message.
    """
    if not tag:
        return
    try:
        parts = canonical(SINGLETON.split(tag, maxsplit=1)[0]).split("-")
    except ValueError:
        return
    while parts:
        yield "-".join(parts)
        parts.pop()
