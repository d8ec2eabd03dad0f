"""Read the parts of a mail with bounded memory and time.

The standard library's parser compares each line with each enclosing boundary: a mail of one
megabyte with 300 of them took it 33 s, on one of two busy cores. Anybody can send one to the bounce
mailbox.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message

# What tells of a bounce stands at the beginning; the rest is the mail that came back.
EXAMINED_BYTES = 1024 * 1024
HEADERS_MAX_BYTES = 64 * 1024
HEADER_MAX_CHARACTERS = 2_000
DEPTH_MAX = 4
PARTS_MAX = 40
BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
HEADER_LINE = re.compile(r"([!-9;-~]{1,76})[ \t]*:(.*)", re.DOTALL)
FOLDED = re.compile(r"\r?\n(?=[ \t])")
# Mailbox files begin a mail with a line of their own.
MBOX_LINE = re.compile(rb"From [^\r\n]*\r?\n")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a mail that has no parts itself, or the head of one that has.

    Attributes:
        content_type: Its media type in lower case.
        parameters: The parameters of the media type, by their names in lower case.
        headers: The first value of each header, by its name in lower case.
        body: The decoded content.
    """

    content_type: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The content as text. What reports say for programs is ASCII or UTF-8."""
        return self.body.decode("utf-8", "replace")


def read(raw: bytes) -> list[Part]:
    """Return the head of a mail, and all its parts in their order."""
    examined = raw[:EXAMINED_BYTES].lstrip(b"\r\n")
    mbox = MBOX_LINE.match(examined)
    return list(_walk(examined[mbox.end() :] if mbox else examined, depth=0))[:PARTS_MAX]


def fields_of(text: str) -> dict[str, str]:
    """Return the first value of each header of a block, unfolded, by its name in lower case."""
    found: dict[str, str] = {}
    for line in FOLDED.sub("", text[:HEADERS_MAX_BYTES]).splitlines():
        matched = HEADER_LINE.fullmatch(line)
        if matched:
            found.setdefault(matched[1].lower(), matched[2].strip()[:HEADER_MAX_CHARACTERS])
    return found


def groups_of(text: str) -> list[dict[str, str]]:
    """Return the groups of fields of a report, which blank lines separate."""
    blocks = re.split(r"\r?\n[ \t]*\r?\n", text[:HEADERS_MAX_BYTES].strip())
    return [fields for block in blocks[:PARTS_MAX] if (fields := fields_of(block))]


def decoded(value: str) -> str:
    """Decode a header that is written in encoded words (RFC 2047)."""
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, UnicodeError):
        return value


def _walk(raw: bytes, *, depth: int) -> Iterator[Part]:
    end = BLANK_LINE.search(raw, 0, HEADERS_MAX_BYTES)
    head, body = (raw[: end.start()], raw[end.end() :]) if end else (raw[:HEADERS_MAX_BYTES], b"")
    if raw[:1] in {b"\r", b"\n"}:  # A part may have no headers at all.
        head, body = b"", raw.lstrip(b"\r\n")
    headers = fields_of(head.decode("utf-8", "replace"))
    content_type, parameters = _media_type(headers)
    boundary = parameters.get("boundary", "")
    is_whole = content_type.startswith("multipart/") and boundary and depth < DEPTH_MAX
    yield Part(
        content_type=content_type,
        parameters=parameters,
        headers=headers,
        body=b"" if is_whole else _content(body, headers),
    )
    if is_whole:
        for piece in _pieces(body, boundary.encode("utf-8", "replace")):
            yield from _walk(piece, depth=depth + 1)


def _media_type(headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    message = Message()
    message["Content-Type"] = headers.get("content-type", "text/plain")
    given = message.get_params(failobj=[]) or []
    parameters = {str(name).lower(): str(value) for name, value in given[1:]}
    return message.get_content_type(), parameters


def _pieces(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """Yield what stands between the lines of a boundary; the last one may be cut off."""
    line = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
    begin, count = None, 0
    for found in line.finditer(body):
        if begin is not None:
            yield body[begin : found.start()]
        begin, count = found.end(), count + 1
        if found[1] or count > PARTS_MAX:
            return
    if begin is not None:
        yield body[begin:]


def _content(body: bytes, headers: Mapping[str, str]) -> bytes:
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding == "base64":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        try:
            return base64.b64decode(letters[: len(letters) // 4 * 4])
        except binascii.Error:
            return body
    return body
