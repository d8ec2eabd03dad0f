"""Where in HTML a piece of text ends: in text, in a tag, in the value of which attribute.

A tokenizer that can stop anywhere and go on with the next piece, because a template is HTML in
pieces. It follows the WHATWG HTML standard, 13.2.5; the library's parsers take whole documents.
"""

import html
import re
from collections.abc import Iterator
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

_TAG_NAME = re.compile(r"[^\t\n\f\r />]*")
_ATTRIBUTE_NAME = re.compile(r"[^\t\n\f\r />=]*")
_UNQUOTED = re.compile(r"[^\t\n\f\r >]*")
_BETWEEN = re.compile(r"[\t\n\f\r /]*")
_SPACES = re.compile(r"[\t\n\f\r ]*")
# Text and tags that are complete and usual, in one go: nothing in them concerns an output. The
# quantifiers are possessive, so that no text is gone through twice.
_WHOLE_TAGS = re.compile(
    r"(?:[^<]*+</?(?!(?:meta|iframe|noembed|noframes|script|style|textarea|title|xmp)[\t\n\f\r />])"
    r"[a-z][^\s/>=\"'<]*+(?:[\t\n\f\r ]++[^\s/>=\"'<]++(?:=(?:\"[^\"]*+\"|'[^']*+'))?+)*+"
    r"[\t\n\f\r ]*+/?>)*+",
    re.IGNORECASE,
)
_END_OF_COMMENT = re.compile(r"--!?>")
_MAY_END_COMMENT = re.compile(r"-{1,2}!?\Z")


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


class Kind(IntEnum):
    """What a value is taken for; of two the greater one is judged."""

    PLAIN = 0
    CSS = 1
    REFRESH = 2
    ADDRESSES = 3
    ADDRESS = 4
    SCRIPT = 5


KINDS = {
    "archive": Kind.ADDRESSES,
    "imagesrcset": Kind.ADDRESSES,
    "ping": Kind.ADDRESSES,
    "srcdoc": Kind.SCRIPT,
    "srcset": Kind.ADDRESSES,
    "style": Kind.CSS,
}


class Event(IntEnum):
    """What happens at an index of a text, in the order in which it does."""

    END = 1
    REFRESH_END = 2
    TAG_END = 3
    START = 4


Events = frozenset[tuple[int, Event]]
Noted = list[tuple[int, Event]]


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
    def kind(self) -> Kind:
        """What the value is taken for."""
        if self.in_style:
            return Kind.CSS
        return kind_of(self.tag, self.attribute)


START = Place(Mode.TEXT)
_CONDITION = Place(Mode.CONDITION)
_SKIPPED = Place(Mode.COMMENT)
LOST = Place(Mode.LOST, tag=UNKNOWN_NAME, attribute=UNKNOWN_NAME, said=None)


def kind_of(tag: str, attribute: str) -> Kind:
    """Return what the value of an attribute is taken for."""
    name = attribute.rpartition(":")[2]
    animated = name in ANIMATED and tag.startswith(ANIMATIONS)
    if UNKNOWN_NAME in attribute or name in ADDRESSES or animated:
        return Kind.ADDRESS
    if name.startswith("on"):
        return Kind.SCRIPT
    if name == "content" and (tag == "meta" or UNKNOWN_NAME in tag):
        return Kind.REFRESH
    return KINDS.get(name, Kind.PLAIN)


def follow(place: Place, text: str) -> tuple[frozenset[Place], frozenset[tuple[int, Event]]]:
    """Go on with a text.

    Returns:
        Where it may end, and the values and tags that begin and end on the way, with their indexes.
        There are several ways where a conditional comment begins: some clients read what is in it.
    """
    ends: set[Place] = set()
    noted: set[tuple[int, Event]] = set()
    parted: set[int] = set()
    # Up to where the last comment goes: another one that begins within ends there as well.
    in_comment = 0
    waiting = [(place, 0)]
    for way, start in waiting:
        if way == _SKIPPED:
            if start < in_comment:
                continue
            found = _END_OF_COMMENT.search(text, start)
            in_comment = found.end() if found else len(text) + 1
        place, index = way, start
        events: Noted = []
        while index < len(text):
            place, index = _STEPS[place.mode](place, text, index, events)
            if place == _CONDITION:
                if index in parted:
                    # Another way has come here before, and goes on like this one.
                    break
                parted.add(index)
                place = place._replace(said="[")
                waiting.append((_SKIPPED, index))
        else:
            ends.add(place)
        noted.update(events)
    return frozenset(ends), frozenset(noted)


def _end_of(pattern: re.Pattern[str], text: str, index: int) -> int:
    found = pattern.match(text, index)
    assert found is not None  # Each of the patterns matches nothing as well.
    return found.end()


def _longer(name: str, more: str) -> str:
    """Put more to a name; of one that is too long to be any nothing is kept."""
    return name + more if len(name) < NAME_LIMIT else UNKNOWN_NAME


def _text(place: Place, text: str, index: int, events: Noted) -> tuple[Place, int]:
    return _text_step(place, text, _end_of(_WHOLE_TAGS, text, index), events)


def _text_step(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    opening = text.find("<", index)
    return (START, len(text)) if opening < 0 else (Place(Mode.TAG_OPEN), opening + 1)


def _tag_open(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    letter = text[index]
    if letter.isascii() and letter.isalpha():
        return Place(Mode.TAG_NAME), index
    following = {"/": Mode.END_TAG_OPEN, "!": Mode.DECLARATION, "?": Mode.BOGUS}.get(letter)
    return (START, index) if following is None else (Place(following), index + 1)


def _end_tag_open(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    letter = text[index]
    if letter.isascii() and letter.isalpha():
        return Place(Mode.TAG_NAME, tag="/"), index
    return (START, index + 1) if letter == ">" else (Place(Mode.BOGUS), index)


def _tag_name(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    end = _end_of(_TAG_NAME, text, index)
    place = place._replace(tag=_longer(place.tag, text[index:end].lower()))
    return (place, end) if end == len(text) else (place._replace(mode=Mode.IN_TAG), end)


def _in_tag(place: Place, text: str, index: int, events: Noted) -> tuple[Place, int]:
    index = _end_of(_BETWEEN, text, index)
    if index == len(text):
        return place, index
    if text[index] == ">":
        return _tag_end(place, index, events)
    # An equals sign is the first letter of a name here.
    named = place._replace(mode=Mode.ATTRIBUTE_NAME, attribute=text[index].lower(), said="")
    return named._replace(safe=False), index + 1


def _tag_end(place: Place, index: int, events: Noted) -> tuple[Place, int]:
    if place.tag == "meta" or UNKNOWN_NAME in place.tag:
        events.append((index, Event.REFRESH_END if place.refresh else Event.TAG_END))
    if place.tag in RAW_ELEMENTS:
        if place.tag == "style":
            events.append((index + 1, Event.START))
        return Place(Mode.RAW, tag=place.tag), index + 1
    return START, index + 1


def _attribute_name(place: Place, text: str, index: int, events: Noted) -> tuple[Place, int]:
    end = _end_of(_ATTRIBUTE_NAME, text, index)
    place = place._replace(attribute=_longer(place.attribute, text[index:end].lower()))
    return (place, end) if end == len(text) else (place._replace(mode=Mode.AFTER_NAME), end)


def _after_name(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    index = _end_of(_SPACES, text, index)
    if index == len(text):
        return place, index
    if text[index] == "=":
        return place._replace(mode=Mode.BEFORE_VALUE), index + 1
    return place._replace(mode=Mode.IN_TAG), index


def _before_value(place: Place, text: str, index: int, events: Noted) -> tuple[Place, int]:
    index = _end_of(_SPACES, text, index)
    if index == len(text):
        return place, index
    if text[index] == ">":
        return _tag_end(place._replace(mode=Mode.IN_TAG), index, events)
    quoted = {'"': Mode.DOUBLE, "'": Mode.SINGLE}.get(text[index])
    index += quoted is not None
    events.append((index, Event.START))
    return place._replace(mode=quoted or Mode.UNQUOTED, said="", safe=False), index


def _value(place: Place, text: str, index: int, events: Noted) -> tuple[Place, int]:
    if place.mode is Mode.UNQUOTED:
        end = _end_of(_UNQUOTED, text, index)
    else:
        end = text.find('"' if place.mode is Mode.DOUBLE else "'", index)
        end = len(text) if end < 0 else end
    if place.said is not None and len(place.said) < SAID_LIMIT:
        place = place._replace(said=place.said + text[index:end][:SAID_LIMIT])
    if end == len(text):
        return place, end
    _ended(events, end)
    refresh = place.refresh or (
        place.attribute == "http-equiv"
        and (place.said is None or html.unescape(place.said).strip(SPACE).lower() == "refresh")
    )
    closed = place._replace(mode=Mode.IN_TAG, attribute="", said="", safe=False, refresh=refresh)
    return closed, end + (place.mode is not Mode.UNQUOTED)


def _ended(events: Noted, index: int) -> None:
    """Take note of the end of a value; one that is empty is none."""
    if events and events[-1] == (index, Event.START):
        events.pop()
    else:
        events.append((index, Event.END))


def _declaration(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    said = (place.said or "") + text[index]
    if said == "--":
        return Place(Mode.COMMENT_START), index + 1
    if said == "-":
        return place._replace(said=said), index + 1
    return Place(Mode.BOGUS), index


def _comment_start(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    said = (place.said or "") + text[index].lower()
    if said in {">", "->"}:
        return START, index + 1
    if said == "[if":
        return _CONDITION, index + 1
    if said in {"-", "[", "[i"}:
        return place._replace(said=said), index + 1
    return Place(Mode.COMMENT, said=place.said), index


def _comment(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    before = place.said or ""
    rest = before + text[index:]
    end = _END_OF_COMMENT.search(rest)
    if end is not None:
        return START, index + end.end() - len(before)
    pending = _MAY_END_COMMENT.search(rest)
    return Place(Mode.COMMENT, said=pending[0] if pending else ""), len(text)


def _condition(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    before = place.said or ""
    end = (before + text[index:]).find("]>")
    if end >= 0:
        return START, index + end + 2 - len(before)
    return place._replace(said="]" if text.endswith("]") else "["), len(text)


def _bogus(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    end = text.find(">", index)
    return (place, len(text)) if end < 0 else (START, end + 1)


def _raw(place: Place, text: str, index: int, events: Noted) -> tuple[Place, int]:
    before = place.said or ""
    rest = before + text[index:]
    closing = re.search(rf"</{place.tag}(?=[\t\n\f\r />])", rest, re.IGNORECASE)
    if closing is None:
        tail = rest[-(len(place.tag) + 2) :]
        return place._replace(said=tail[tail.rfind("<") :] if "<" in tail else ""), len(text)
    if place.tag == "style":
        _ended(events, max(index, index + closing.start() - len(before)))
    return Place(Mode.IN_TAG, tag=f"/{place.tag}"), index + closing.end() - len(before)


def _lost(place: Place, text: str, index: int, _: Noted) -> tuple[Place, int]:
    return place, len(text)


_STEPS = {
    Mode.TEXT: _text,
    Mode.TAG_OPEN: _tag_open,
    Mode.END_TAG_OPEN: _end_tag_open,
    Mode.TAG_NAME: _tag_name,
    Mode.IN_TAG: _in_tag,
    Mode.ATTRIBUTE_NAME: _attribute_name,
    Mode.AFTER_NAME: _after_name,
    Mode.BEFORE_VALUE: _before_value,
    Mode.DOUBLE: _value,
    Mode.SINGLE: _value,
    Mode.UNQUOTED: _value,
    Mode.DECLARATION: _declaration,
    Mode.COMMENT_START: _comment_start,
    Mode.COMMENT: _comment,
    Mode.CONDITION: _condition,
    Mode.BOGUS: _bogus,
    Mode.RAW: _raw,
    Mode.LOST: _lost,
}


def after_output(place: Place) -> list[Place]:
    """Return where one may be after an output: it may print nothing, and it never prints ``<``."""
    if place.mode in VALUES:
        return [place._replace(said=None)]
    if place.mode is Mode.BEFORE_VALUE:
        # Where nothing is printed, something that stands for it is: see ``guarded``.
        return [place._replace(mode=Mode.UNQUOTED, said=None)]
    if place.mode is Mode.TAG_NAME:
        return [place._replace(tag=_longer(place.tag, UNKNOWN_NAME))]
    if place.mode is Mode.ATTRIBUTE_NAME:
        return [place._replace(attribute=_longer(place.attribute, UNKNOWN_NAME))]
    others = list(_AFTER_OUTPUT.get(place.mode, ()))
    if place.mode in {Mode.IN_TAG, Mode.AFTER_NAME}:
        others = [place._replace(mode=Mode.ATTRIBUTE_NAME, attribute=UNKNOWN_NAME)]
    if place.mode in {Mode.COMMENT, Mode.RAW}:
        others = [place._replace(said="")]
    return [place, *others]


_AFTER_OUTPUT = {
    Mode.TAG_OPEN: (START, Place(Mode.TAG_NAME, tag=UNKNOWN_NAME)),
    Mode.END_TAG_OPEN: (Place(Mode.BOGUS), Place(Mode.TAG_NAME, tag=f"/{UNKNOWN_NAME}")),
    Mode.DECLARATION: (Place(Mode.BOGUS),),
    Mode.COMMENT_START: (Place(Mode.COMMENT),),
}


def values(document: str) -> Iterator[tuple[int, int, Kind]]:
    """Yield where each value of a whole document begins and ends, and what it is taken for.

    Some are found by clients alone that read what is in conditional comments, some by the others.
    """
    for condition in (_CONDITION._replace(said="["), _SKIPPED):
        yield from _values(document, condition)


def _values(document: str, condition: Place) -> Iterator[tuple[int, int, Kind]]:
    place, index = START, 0
    begun: tuple[int, Kind] | None = None
    while index < len(document):
        events: Noted = []
        step = _text_step if place.mode is Mode.TEXT else _STEPS[place.mode]
        place, index = step(place, document, index, events)
        if place == _CONDITION:
            place = condition
        for at, event in events:
            if event is Event.END and begun is not None:
                yield begun[0], at, begun[1]
            begun = (at, place.kind) if event is Event.START else None
    if begun is not None:
        yield begun[0], len(document), begun[1]
