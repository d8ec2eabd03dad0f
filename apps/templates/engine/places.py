"""Where in HTML a piece of text ends: in text, in a tag, in the value of which attribute.

A tokenizer that can stop anywhere and go on with the next piece, because a template is HTML in
pieces. It follows the WHATWG HTML standard, 13.2.5; the library's parsers take whole documents.
"""

from enum import IntEnum, auto
from typing import NamedTuple

SPACE = "\t\n\f\r "
# Elements whose content is no markup, up to their own end tag.
RAW_ELEMENTS = frozenset(
    {"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"}
)
# Attributes that a browser or a mail client follows, whatever the prefix of their name.
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
# What an animation sets may be an address.
ANIMATIONS = ("animate", "set")
ANIMATED = frozenset({"by", "from", "to", "values"})
# Stands for a name that an output is part of.
UNKNOWN_NAME = "?"
# Beyond so many ways to be at one point of a template nothing is told apart any more.
PLACES_LIMIT = 64
# As much of a literal beginning as can decide what an address begins with.
SAID_LIMIT = 2_000
NAME_LIMIT = 100


class Mode(IntEnum):
    """The states of the tokenizer, as far as they differ for an output."""

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
# In a tag, and in no value: what stands here makes names and attributes.
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
# A text that ends so has left a tag open.
OPEN = VALUES | {Mode.ATTRIBUTE_NAME, Mode.AFTER_NAME, Mode.BEFORE_VALUE}


class ValueKind(IntEnum):
    """What a value is taken for; of two the greater one is judged."""

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
    """What happens at an index of a text, in the order in which it does."""

    END = 1
    REFRESH_END = 2
    TAG_END = 3
    START = 4


Events = frozenset[tuple[int, HtmlEvent]]


class Place(NamedTuple):
    """One way to be at one point of a template.

    Attributes:
        tag: The name of the tag, or of the element whose raw content this is.
        attribute: The name of the attribute.
        said: The literal text of the value so far, None after an output; in other modes what may
            become a mark together with the text that follows.
        safe: Whether what was said decides that the address is a good one, whatever follows.
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
        """Whether this is the content of a ``style`` element."""
        return self.mode is Mode.RAW and self.tag == "style"

    @property
    def in_value(self) -> bool:
        """Whether an output here is part of a value that is looked at as a whole."""
        return self.mode in VALUES or self.mode is Mode.BEFORE_VALUE or self.in_style

    @property
    def kind(self) -> ValueKind:
        """What the value is taken for."""
        if self.in_style:
            return ValueKind.CSS
        return kind_of(self.tag, self.attribute)


START = Place(Mode.TEXT)
LOST = Place(Mode.LOST, tag=UNKNOWN_NAME, attribute=UNKNOWN_NAME, said=None)


def kind_of(tag: str, attribute: str) -> ValueKind:
    """Return what the value of an attribute is taken for."""
    name = attribute.rpartition(":")[2]
    animated = name in ANIMATED and tag.startswith(ANIMATIONS)
    if UNKNOWN_NAME in attribute or name in ADDRESSES or animated:
        return ValueKind.ADDRESS
    if name.startswith("on"):
        return ValueKind.SCRIPT
    if name == "content" and (tag == "meta" or UNKNOWN_NAME in tag):
        return ValueKind.REFRESH
    return KINDS.get(name, ValueKind.PLAIN)
