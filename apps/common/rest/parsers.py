"""The JSON parser of all endpoints: limits size and depth, and refuses control characters."""

import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, Protocol

import msgspec
from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from apps.common.rest.problems import Problem, invalid, pointer_to

MAX_DEPTH = 32
# Tab, line feed and carriage return are allowed in texts; other control characters are not.
CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Valid JSON contains control characters only in escaped form (and DEL), so a body without a match
# of this pattern has none.
ESCAPED_CONTROL = re.compile(rb"\\u00(?:[01][0-9a-fA-F]|7[fF])|\\[bf]|\x7f")

# A JSON string with its escapes; an unterminated string extends to the end of the body.
STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|$)', re.DOTALL)
BRACKETS = re.compile(rb"[{}\[\]]")


def read_bounded(stream: IO[bytes], context: Mapping[str, Any]) -> bytes:
    """Read a body within the view's ``max_body_bytes``.

    Raises:
        Problem: 413 when the announced length or the body itself is longer.
    """
    limit = getattr(context.get("view"), "max_body_bytes", settings.REQUEST_BODY_MAX_BYTES)
    request = context.get("request")
    announced = request.META.get("CONTENT_LENGTH") if request is not None else None
    too_large = announced and announced.isdecimal() and int(announced) > limit
    raw = b"" if too_large else stream.read(limit + 1)
    if too_large or len(raw) > limit:
        raise Problem(413, f"The body is larger than {limit} bytes.")
    return raw


def places(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each scalar and each key of a decoded document, with the path to it.

    Yields:
        Pairs of a path (keys and list indexes) and the scalar or key.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*steps, key), key
            yield from places(inner, (*steps, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*steps, index))
    else:
        yield steps, value


def refuse_depth(raw: bytes) -> None:
    """Refuse nesting deeper than ``MAX_DEPTH`` before any recursive code reads the body.

    Raises:
        Problem: 400 when the body is nested too deep.
    """
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in BRACKETS.findall(STRINGS.sub(b"", raw)):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            detail = f"The body is nested deeper than {MAX_DEPTH} levels."
            raise Problem(400, detail, code="too_deep")


class BodyDecoder(Protocol):
    """Decodes a body to a validated value."""

    def decode(self, raw: bytes, /) -> Any:
        """Decode a body.

        Raises:
            msgspec.DecodeError: It is not valid.
        """


def decode(raw: bytes, decoder: BodyDecoder | None = None) -> Any:
    """Decode a JSON body.

    Raises:
        ParseError: Malformed JSON or text that is not UTF-8; the message names the byte.
        Problem: 400 for too deep a nesting or a control character, with a pointer.
    """
    refuse_depth(raw)
    try:
        value = msgspec.json.decode(raw) if decoder is None else decoder.decode(raw)
        # The decoder may leave parts of the body raw. They are decoded only here and may be
        # malformed.
        if ESCAPED_CONTROL.search(raw):
            refuse_control_characters(msgspec.json.decode(raw))
    except msgspec.ValidationError as error:
        if decoder is not None:
            raise
        # Without a target class the only possible error is a number that is too large for a float.
        message = f"The body holds a number out of range: {error}"
        raise ParseError(message, code="malformed_json") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"The body is not valid JSON: {error}"
        raise ParseError(message, code="malformed_json") from None
    return value


def refuse_control_characters(value: Any) -> None:
    """Refuse control characters in a decoded document.

    Raises:
        Problem: 400 with a pointer to the first of them.
    """
    for steps, scalar in places(value):
        if isinstance(scalar, str) and CONTROL_CHARACTER.search(scalar):
            raise invalid(
                pointer_to(*steps), "control_character", "Control characters are not allowed."
            )


class BytesParser(BaseParser):
    """Passes the body on as it came, within its view's limit. Subclasses set the media type."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the bytes.

        Raises:
            Problem: 413.
        """
        return read_bounded(stream, parser_context or {})


class StrictJSONParser(BaseParser):
    """Parses ``application/json``."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body."""
        return decode(read_bounded(stream, parser_context or {}))
