"""Read HTML as a sequence of tags and texts, each with its place. Nothing is repaired or moved."""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

# Every part is possessive, and the last one takes the rest, so that the time is linear whatever is
# not closed. A tag that never closes is dropped by browsers, too.
TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<closing>/?)(?P<name>[a-z][^\s/>]*+)"
    r"(?P<attributes>(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+)>"
    r"|<[!?/][^>]*+(?:>|\Z)"
    r"|<[a-z].*",
    re.IGNORECASE | re.DOTALL,
)
ATTRIBUTE = re.compile(
    r"(?P<name>[^\s/>=\"']++)(?:\s*+=\s*+(?P<value>\"[^\"]*+\"|'[^']*+'|[^\s\"'>]++))?"
)
# Their content is text, whatever it looks like.
RAW = frozenset({"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"})
# They have no content and no end tag.
VOID = frozenset(
    {
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    }
)


class Kind(Enum):
    """What a token is."""

    START = auto()
    END = auto()
    TEXT = auto()
    # The text of an element of ``RAW``.
    RAW = auto()
    # A comment, with what only Outlook reads in it, or another text that is no part of the page.
    ASIDE = auto()


class Attribute(NamedTuple):
    """An attribute of a tag.

    Attributes:
        name: Its name in lower case.
        value: Its value as it is written, without quotes; empty if it has none.
        quote: The quotation mark around it; empty if there is none.
        begin: The index in the whole text at which its value begins.
    """

    name: str
    value: str
    quote: str
    begin: int


class Token(NamedTuple):
    """A tag, a text or a comment.

    Attributes:
        kind: What it is.
        name: The name of the tag or the raw element, in lower case; empty for a text.
        text: The whole tag or comment, or the text.
        begin: The index at which it begins.
        name_end: The index after the name of a tag.
    """

    kind: Kind
    name: str
    text: str
    begin: int
    name_end: int = 0

    @property
    def attributes(self) -> Iterator[Attribute]:
        """The attributes of a tag, in their order."""
        for found in ATTRIBUTE.finditer(self.text, self.name_end - self.begin):
            written = found["value"] or ""
            quote = written[:1] if written[:1] in {'"', "'"} else ""
            value = written[1:-1] if quote else written
            begin = found.start("value") + len(quote) if written else found.end()
            yield Attribute(found["name"].lower(), value, quote, self.begin + begin)

    def value_of(self, name: str) -> str:
        """Return the value of an attribute with its character references; empty if absent."""
        return next((one.value for one in self.attributes if one.name == name), "")


def tokens(text: str) -> Iterator[Token]:
    """Yield the tags and texts of HTML.

    Args:
        text: The HTML, whose Liquid is masked.
    """
    position = 0
    while found := TOKEN.search(text, position):
        if found.start() > position:
            yield Token(Kind.TEXT, "", text[position : found.start()], position)
        position = found.end()
        if found["name"] is None:
            yield Token(Kind.ASIDE, "", found[0], found.start())
            continue
        name = found["name"].lower()
        kind = Kind.END if found["closing"] else Kind.START
        yield Token(kind, name, found[0], found.start(), found.end("name"))
        if kind is Kind.START and name in RAW:
            closing = _closing(name).search(text, position)
            end = closing.start() if closing else len(text)
            yield Token(Kind.RAW, name, text[position:end], position)
            position = end
    if position < len(text):
        yield Token(Kind.TEXT, "", text[position:], position)


def _closing(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
