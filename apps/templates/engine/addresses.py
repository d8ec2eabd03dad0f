"""Check attribute values: mails may link to URLs of allowed schemes only."""

import html
import re
import sys
from collections.abc import Callable, Collection, Mapping

from django.conf import settings

from apps.templates.engine.places import ValueKind

SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
# Browsers remove these from a URL before they parse its scheme (WHATWG URL, section 4.4).
IGNORED_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f]+")
# A character reference at the end that the next character may still change.
OPEN_ENTITY = re.compile(r"&[#\w]*\Z")
BETWEEN_ADDRESSES = re.compile(r"[\s,]+")
# WHATWG HTML, "shared declarative refresh steps".
REFRESH = re.compile(
    r"\s*[\d.]*[\s;,]*(?:url\s*=\s*)?[\"']?(?P<address>.*)", re.IGNORECASE | re.DOTALL
)
CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
CSS_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n\f\r]?|\n|(.))", re.DOTALL)
CSS_ADDRESS = re.compile(
    r"(?:url\s*\(\s*[\"']?|@import\s*[\"'])(?P<address>[^\"')]*)", re.IGNORECASE
)
CSS_SCRIPT = re.compile(
    r"expression\s*\(|(?<![\w-])behavior\s*:|-moz-binding|(?:java|vb)\s*script\s*:", re.IGNORECASE
)


def schemes() -> Collection[str]:
    """Return the allowed schemes, in lower case."""
    allowed: Collection[str] = settings.LINK_SCHEMES
    return allowed


def is_good(address: str) -> bool:
    """Return whether a URL has an allowed scheme or no scheme."""
    scheme = SCHEME.match(IGNORED_IN_ADDRESS.sub("", address))
    return scheme is None or scheme[1].lower() in schemes()


def is_decided_by(kind: ValueKind, said: str) -> bool | None:
    """Return whether a value is good or bad if its beginning is enough to decide this.

    Args:
        kind: How clients interpret the value.
        said: The literal beginning of the value, as written in HTML.

    Returns:
        True for a good and False for a bad value, whatever follows; None if it is undecided.
    """
    if kind is ValueKind.PLAIN:
        return True
    if kind is not ValueKind.ADDRESS or not said:
        return None
    begins = IGNORED_IN_ADDRESS.sub("", html.unescape(OPEN_ENTITY.sub("", said)))
    if SCHEME.match(begins):
        return is_good(begins)
    return True if any(mark in begins for mark in "/?#") else None


def is_plainly_good(written: str) -> bool:
    """Return whether a value is an https URL without spaces, as most are; takes a microsecond."""
    return (
        written.startswith("https://")
        and IGNORED_IN_ADDRESS.search(written) is None
        and "https" in schemes()
    )


def is_harmless(kind: ValueKind, written: str) -> bool:
    """Return whether a whole value, as written in HTML, is harmless.

    Whether the value may contain a variable is checked when the template is saved. A script with a
    variable is never harmless.
    """
    said = html.unescape(written) if "&" in written else written
    return _CHECKS[kind](said)


def _good_refresh(said: str) -> bool:
    found = REFRESH.match(said)
    return found is None or is_good(found["address"])


def _good_list(said: str) -> bool:
    return all(is_good(part) for part in BETWEEN_ADDRESSES.split(said))


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        number = int(found[1], 16)
        return chr(number) if 0 < number <= sys.maxunicode else "\ufffd"
    return found[2] or ""


def _good_css(said: str) -> bool:
    if "\\" in said or "/*" in said:
        said = CSS_ESCAPE.sub(_unescaped, CSS_COMMENT.sub("", said))
    if CSS_SCRIPT.search(said):
        return False
    return all(is_good(found["address"]) for found in CSS_ADDRESS.finditer(said))


_CHECKS: Mapping[ValueKind, Callable[[str], bool]] = {
    ValueKind.PLAIN: lambda _: True,
    ValueKind.CSS: _good_css,
    ValueKind.REFRESH: _good_refresh,
    ValueKind.ADDRESSES: _good_list,
    ValueKind.ADDRESS: is_good,
    ValueKind.SCRIPT: lambda _: False,
}
