"""An incremental HTML tokenizer that computes the context (WHATWG HTML standard, 13.2.5)."""

import html
import re
from collections.abc import Iterator

from apps.templates.engine.places import (
    NAME_LIMIT,
    RAW_ELEMENTS,
    SPACE,
    START,
    UNKNOWN_NAME,
    VALUE_LIMIT,
    VALUES,
    HtmlEvent,
    Mode,
    Place,
    ValueKind,
)

_TAG_NAME = re.compile(r"[^\t\n\f\r />]*")


_ATTRIBUTE_NAME = re.compile(r"[^\t\n\f\r />=]*")


_UNQUOTED = re.compile(r"[^\t\n\f\r >]*")


_BETWEEN = re.compile(r"[\t\n\f\r /]*")


_SPACES = re.compile(r"[\t\n\f\r ]*")


# A fast path: skip text and complete, ordinary tags in one match, because they do not affect an
# output. The quantifiers are possessive, so that no text is scanned twice.
_WHOLE_TAGS = re.compile(
    r"(?:[^<]*+</?(?!(?:meta|iframe|noembed|noframes|script|style|textarea|title|xmp)[\t\n\f\r />])"
    r"[a-z][^\s/>=\"'<]*+(?:[\t\n\f\r ]++[^\s/>=\"'<]++(?:=(?:\"[^\"]*+\"|'[^']*+'))?+)*+"
    r"[\t\n\f\r ]*+/?>)*+",
    re.IGNORECASE,
)


_END_OF_COMMENT = re.compile(r"--!?>")


_MAY_END_COMMENT = re.compile(r"-{1,2}!?\Z")


HtmlEvents = list[tuple[int, HtmlEvent]]


_CONDITION = Place(Mode.CONDITION)


_SKIPPED = Place(Mode.COMMENT)


def follow(place: Place, text: str) -> tuple[frozenset[Place], frozenset[tuple[int, HtmlEvent]]]:
    """Tokenize a text from a context.

    Returns:
        The possible contexts at the end, and the events (starts and ends of values and tags) with
        their indexes. At a conditional comment there are two paths, because some clients read its
        content.
    """
    ends: set[Place] = set()
    noted: set[tuple[int, HtmlEvent]] = set()
    parted: set[int] = set()
    # The end of the last skipped comment. Another one that begins inside it ends there, too.
    in_comment = 0
    waiting = [(place, 0)]
    for way, start in waiting:
        if way == _SKIPPED:
            if start < in_comment:
                continue
            found = _END_OF_COMMENT.search(text, start)
            in_comment = found.end() if found else len(text) + 1
        place, index = way, start
        events: HtmlEvents = []
        while index < len(text):
            place, index = _STEPS[place.mode](place, text, index, events)
            if place == _CONDITION:
                if index in parted:
                    # Another path has reached this point before and continues in the same way.
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
    assert found is not None  # All these patterns also match the empty text.
    return found.end()


def _longer(name: str, more: str) -> str:
    """Extend a name. A name that is too long becomes ``UNKNOWN_NAME``."""
    return name + more if len(name) < NAME_LIMIT else UNKNOWN_NAME


def _text(place: Place, text: str, index: int, events: HtmlEvents) -> tuple[Place, int]:
    return _text_step(place, text, _end_of(_WHOLE_TAGS, text, index), events)


def _text_step(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    opening = text.find("<", index)
    return (START, len(text)) if opening < 0 else (Place(Mode.TAG_OPEN), opening + 1)


def _tag_open(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    letter = text[index]
    if letter.isascii() and letter.isalpha():
        return Place(Mode.TAG_NAME), index
    following = {"/": Mode.END_TAG_OPEN, "!": Mode.DECLARATION, "?": Mode.BOGUS}.get(letter)
    return (START, index) if following is None else (Place(following), index + 1)


def _end_tag_open(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    letter = text[index]
    if letter.isascii() and letter.isalpha():
        return Place(Mode.TAG_NAME, tag="/"), index
    return (START, index + 1) if letter == ">" else (Place(Mode.BOGUS), index)


def _tag_name(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    end = _end_of(_TAG_NAME, text, index)
    place = place._replace(tag=_longer(place.tag, text[index:end].lower()))
    return (place, end) if end == len(text) else (place._replace(mode=Mode.IN_TAG), end)


def _in_tag(place: Place, text: str, index: int, events: HtmlEvents) -> tuple[Place, int]:
    index = _end_of(_BETWEEN, text, index)
    if index == len(text):
        return place, index
    if text[index] == ">":
        return _tag_end(place, index, events)
    # An equals sign here is the first character of a name.
    named = place._replace(mode=Mode.ATTRIBUTE_NAME, attribute=text[index].lower(), said="")
    return named._replace(safe=False), index + 1


def _tag_end(place: Place, index: int, events: HtmlEvents) -> tuple[Place, int]:
    if place.tag == "meta" or UNKNOWN_NAME in place.tag:
        events.append((index, HtmlEvent.REFRESH_END if place.refresh else HtmlEvent.TAG_END))
    if place.tag in RAW_ELEMENTS:
        if place.tag == "style":
            events.append((index + 1, HtmlEvent.START))
        return Place(Mode.RAW, tag=place.tag), index + 1
    return START, index + 1


def _attribute_name(place: Place, text: str, index: int, events: HtmlEvents) -> tuple[Place, int]:
    end = _end_of(_ATTRIBUTE_NAME, text, index)
    place = place._replace(attribute=_longer(place.attribute, text[index:end].lower()))
    return (place, end) if end == len(text) else (place._replace(mode=Mode.AFTER_NAME), end)


def _after_name(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    index = _end_of(_SPACES, text, index)
    if index == len(text):
        return place, index
    if text[index] == "=":
        return place._replace(mode=Mode.BEFORE_VALUE), index + 1
    return place._replace(mode=Mode.IN_TAG), index


def _before_value(place: Place, text: str, index: int, events: HtmlEvents) -> tuple[Place, int]:
    index = _end_of(_SPACES, text, index)
    if index == len(text):
        return place, index
    if text[index] == ">":
        return _tag_end(place._replace(mode=Mode.IN_TAG), index, events)
    quoted = {'"': Mode.DOUBLE, "'": Mode.SINGLE}.get(text[index])
    index += quoted is not None
    events.append((index, HtmlEvent.START))
    return place._replace(mode=quoted or Mode.UNQUOTED, said="", safe=False), index


def _value(place: Place, text: str, index: int, events: HtmlEvents) -> tuple[Place, int]:
    if place.mode is Mode.UNQUOTED:
        end = _end_of(_UNQUOTED, text, index)
    else:
        end = text.find('"' if place.mode is Mode.DOUBLE else "'", index)
        end = len(text) if end < 0 else end
    if place.said is not None and len(place.said) < VALUE_LIMIT:
        place = place._replace(said=place.said + text[index:end][:VALUE_LIMIT])
    if end == len(text):
        return place, end
    _ended(events, end)
    refresh = place.refresh or (
        place.attribute == "http-equiv"
        and (place.said is None or html.unescape(place.said).strip(SPACE).lower() == "refresh")
    )
    closed = place._replace(mode=Mode.IN_TAG, attribute="", said="", safe=False, refresh=refresh)
    return closed, end + (place.mode is not Mode.UNQUOTED)


def _ended(events: HtmlEvents, index: int) -> None:
    """Record the end of a value; remove the start event of an empty value."""
    if events and events[-1] == (index, HtmlEvent.START):
        events.pop()
    else:
        events.append((index, HtmlEvent.END))


def _declaration(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    said = (place.said or "") + text[index]
    if said == "--":
        return Place(Mode.COMMENT_START), index + 1
    if said == "-":
        return place._replace(said=said), index + 1
    return Place(Mode.BOGUS), index


def _comment_start(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    said = (place.said or "") + text[index].lower()
    if said in {">", "->"}:
        return START, index + 1
    if said == "[if":
        return _CONDITION, index + 1
    if said in {"-", "[", "[i"}:
        return place._replace(said=said), index + 1
    return Place(Mode.COMMENT, said=place.said), index


def _comment(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    before = place.said or ""
    rest = before + text[index:]
    end = _END_OF_COMMENT.search(rest)
    if end is not None:
        return START, index + end.end() - len(before)
    pending = _MAY_END_COMMENT.search(rest)
    return Place(Mode.COMMENT, said=pending[0] if pending else ""), len(text)


def _condition(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    before = place.said or ""
    end = (before + text[index:]).find("]>")
    if end >= 0:
        return START, index + end + 2 - len(before)
    return place._replace(said="]" if text.endswith("]") else "["), len(text)


def _bogus(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
    end = text.find(">", index)
    return (place, len(text)) if end < 0 else (START, end + 1)


def _raw(place: Place, text: str, index: int, events: HtmlEvents) -> tuple[Place, int]:
    before = place.said or ""
    rest = before + text[index:]
    closing = re.search(rf"</{place.tag}(?=[\t\n\f\r />])", rest, re.IGNORECASE)
    if closing is None:
        tail = rest[-(len(place.tag) + 2) :]
        return place._replace(said=tail[tail.rfind("<") :] if "<" in tail else ""), len(text)
    if place.tag == "style":
        _ended(events, max(index, index + closing.start() - len(before)))
    return Place(Mode.IN_TAG, tag=f"/{place.tag}"), index + closing.end() - len(before)


def _lost(place: Place, text: str, index: int, _: HtmlEvents) -> tuple[Place, int]:
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
    """Return the possible contexts after an output, which may be empty and never contains ``<``."""
    if place.mode in VALUES:
        return [place._replace(said=None)]
    if place.mode is Mode.BEFORE_VALUE:
        # An empty output is replaced by a placeholder here: see ``guarded``.
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


def values(document: str) -> Iterator[tuple[int, int, ValueKind]]:
    """Yield start index, end index and kind of each attribute value of a whole document.

    The document is read twice: with and without the content of conditional comments, because only
    some clients read it.
    """
    for condition in (_CONDITION._replace(said="["), _SKIPPED):
        yield from _values(document, condition)


def _values(document: str, condition: Place) -> Iterator[tuple[int, int, ValueKind]]:
    place, index = START, 0
    begun: tuple[int, ValueKind] | None = None
    while index < len(document):
        events: HtmlEvents = []
        step = _text_step if place.mode is Mode.TEXT else _STEPS[place.mode]
        place, index = step(place, document, index, events)
        if place == _CONDITION:
            place = condition
        for at, event in events:
            if event is HtmlEvent.END and begun is not None:
                yield begun[0], at, begun[1]
            begun = (at, place.kind) if event is HtmlEvent.START else None
    if begun is not None:
        yield begun[0], len(document), begun[1]
