"""HTML contexts: whether a piece of text ends in text, in a tag or in an attribute value.

These are the states of a tokenizer that can stop anywhere and continue with the next piece, because
a template is HTML in pieces. It follows the WHATWG HTML standard, 13.2.5. The parser of the
standard library accepts whole documents only.
"""

from enum import IntEnum, auto
from typing import NamedTuple

SPACE = "\t\n\f\r "
# Elements whose content is not markup, up to their end tag.
RAW_ELEMENTS = frozenset(
    {"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"}
)
# Attributes that browsers or mail clients interpret as URLs, with any prefix of the name.
ADDRESSES = frozenset(
    {
        "action",
        "background",
        "base",
        "cite",
        "classid",
        "codebase",
        "data",
        "dynsrc",
        "formaction",
        "href",
        "icon",
        "longdesc",
        "lowsrc",
        "manifest",
        "poster",
        "profile",
        "src",
        "usemap",
    }
)
# The values that an SVG animation sets may be URLs.
ANIMATIONS = ("animate", "set")
ANIMATED = frozenset({"by", "from", "to", "values"})
# Replaces a name that contains an output.
UNKNOWN_NAME = "?"
# With more possible contexts at one point of a template, the context becomes unknown (``LOST``).
PLACES_LIMIT = 64
# Characters of the literal beginning of a value that are kept; enough to decide on its scheme.
VALUE_LIMIT = 2_000
NAME_LIMIT = 100


class Mode(IntEnum):
    """The states of the tokenizer, as far as they matter for an output."""

    TEXT = auto()
    TAG_OPEN = auto()
    END_TAG_OPEN = auto()
    TAG_NAME = auto()
    IN_TAG = auto()
    ATTRIBUTE_NAME = auto()
    AFTER_NAME = auto()
    BEFORE_VALUE = auto()
    DOUBLE = auto()
    SINGLE = auto()
    UNQUOTED = auto()
    DECLARATION = auto()
    COMMENT_START = auto()
    COMMENT = auto()
    CONDITION = auto()
    BOGUS = auto()
    RAW = auto()
    LOST = auto()


VALUES = frozenset({Mode.DOUBLE, Mode.SINGLE, Mode.UNQUOTED})
# In a tag but not in a value: text here becomes part of names and attributes.
NAMES = frozenset(
    {
        Mode.TAG_OPEN,
        Mode.END_TAG_OPEN,
        Mode.TAG_NAME,
        Mode.IN_TAG,
        Mode.ATTRIBUTE_NAME,
        Mode.AFTER_NAME,
        Mode.LOST,
    }
)
# A text that ends in one of these states has left a tag open.
OPEN = VALUES | {Mode.ATTRIBUTE_NAME, Mode.AFTER_NAME, Mode.BEFORE_VALUE}


class ValueKind(IntEnum):
    """How clients interpret a value; of two possible kinds the greater one is checked."""

    PLAIN = 0
    CSS = 1
    REFRESH = 2
    ADDRESSES = 3
    ADDRESS = 4
    SCRIPT = 5


KINDS = {
    "archive": ValueKind.ADDRESSES,
    "imagesrcset": ValueKind.ADDRESSES,
    "ping": ValueKind.ADDRESSES,
    "srcdoc": ValueKind.SCRIPT,
    "srcset": ValueKind.ADDRESSES,
    "style": ValueKind.CSS,
}


class HtmlEvent(IntEnum):
    """What happens at an index of a text; at the same index the smaller event is first."""

    END = 1
    REFRESH_END = 2
    TAG_END = 3
    START = 4


Events = frozenset[tuple[int, HtmlEvent]]


class Place(NamedTuple):
    """One possible HTML context at one point of a template.

    Attributes:
        mode: The state of the tokenizer.
        tag: The name of the tag, or of the element whose raw content this is.
        attribute: The name of the attribute.
        said: The literal text of the value so far; None after an output. In other modes the text
            that may form a delimiter together with the following text.
        safe: Whether the literal text makes the value good, whatever follows.
        refresh: Whether the tag is, or may be, ``<meta http-equiv="refresh">``.
    """

    mode: Mode
    tag: str = ""
    attribute: str = ""
    said: str | None = ""
    safe: bool = False
    refresh: bool = False

    @property
    def in_style(self) -> bool:
        """Whether the context is the content of a ``style`` element."""
        return self.mode is Mode.RAW and self.tag == "style"

    @property
    def in_value(self) -> bool:
        """Whether an output here is part of a value that is checked as a whole."""
        return self.mode in VALUES or self.mode is Mode.BEFORE_VALUE or self.in_style

    @property
    def kind(self) -> ValueKind:
        """How clients interpret the value."""
        if self.in_style:
            return ValueKind.CSS
        return kind_of(self.tag, self.attribute)


START = Place(Mode.TEXT)
LOST = Place(Mode.LOST, tag=UNKNOWN_NAME, attribute=UNKNOWN_NAME, said=None)


def kind_of(tag: str, attribute: str) -> ValueKind:
    """Return how clients interpret the value of an attribute."""
    name = attribute.rpartition(":")[2]
    animated = name in ANIMATED and tag.startswith(ANIMATIONS)
    if UNKNOWN_NAME in attribute or name in ADDRESSES or animated:
        return ValueKind.ADDRESS
    if name.startswith("on"):
        return ValueKind.SCRIPT
    if name == "content" and (tag == "meta" or UNKNOWN_NAME in tag):
        return ValueKind.REFRESH
    return KINDS.get(name, ValueKind.PLAIN)
