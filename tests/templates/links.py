"""Render HTML templates, and collect the links that a mail client might follow."""

import re
from html.parser import HTMLParser
from typing import Any

from apps.templates.content import check
from apps.templates.engine.limits import Meter
from apps.templates.engine.syntax import Parsed, parse

FORBIDDEN_URLS = [
    "javascript:alert(1)",
    " JavaScript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "\x7fjavascript:alert(1)",
    "vbscript:x",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "ftp://example.com/",
]


def rendered(source: str, **variables: Any) -> str:
    """Return the HTML of a source, without the checks on saving."""
    return parse(source, html=True).render(variables, Meter())


def checked_and_parsed(source: str) -> Parsed:
    """Return the parsed template of a source that passes the checks on saving."""
    check("email", {"subject": "s", "body": "b", "html": source})
    return parse(source, html=True)


class CollectedLinks(HTMLParser):
    """Collects, as a mail client would, everything that it might follow or run."""

    NAMES = ("href", "src", "action", "formaction", "background", "poster", "srcset", "to")

    def __init__(self, document: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        for name, value in attrs:
            if name.rpartition(":")[2] in self.NAMES and value is not None:
                self.addresses.append(value)


def schemes_of(document: str) -> set[str]:
    """Return the schemes of all links in a document."""
    cleaned = [re.sub(r"[\x00-\x20]", "", one) for one in CollectedLinks(document).addresses]
    found = [re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", one) for one in cleaned]
    return {one[1].lower() for one in found if one is not None}
