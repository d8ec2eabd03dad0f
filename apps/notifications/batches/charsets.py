"""Read a file in the encoding that its byte order mark or its caller names, as UTF-8."""

import codecs
import re
from typing import Protocol

from apps.common.rest.problems import invalid

BLOCK_BYTES = 64 * 1024
# What spreadsheets write. Python has more, some of which are no encodings of texts.
KNOWN = re.compile(
    r"utf-?(8|16|16-?(le|be))|us-ascii|iso-?8859-\d{1,2}|latin-?1|(windows|cp)-?125\d|macintosh|"
    r"shift_jis|euc-(jp|kr)|gb(k|18030)|big5|koi8-[ru]",
    re.IGNORECASE,
)
UTF_8 = "utf-8"
MARKS = {
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


class _Begun:
    """A stream of which the first block has been read."""

    def __init__(self, first: bytes, rest: Readable) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int) -> bytes:
        first, self._first = self._first, b""
        return first or self._rest.read(size)


class _Decoded:
    """A stream that is converted to UTF-8."""

    def __init__(self, stream: Readable, charset: str) -> None:
        self._stream, self._charset = stream, charset
        self._decoder = codecs.getincrementaldecoder(charset)()

    def read(self, size: int) -> bytes:
        while True:
            block = self._stream.read(size)
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                detail = f"The file is not {self._charset}: {error.reason}."
                raise invalid("", "malformed_text", detail) from None
            if text or not block:
                return text.encode()


def charset_of(name: str | None) -> str:
    """Return the name of an encoding as Python spells it; UTF-8 if none is named.

    Raises:
        Problem: 400 for an encoding that is not known.
    """
    if name is None:
        return UTF_8
    if KNOWN.fullmatch(name.strip()):
        try:
            return codecs.lookup(name.strip()).name
        except LookupError:
            pass
    raise invalid(
        "", "unknown_charset", f"There is no charset {name[:50]!r}. UTF-8 is the usual one."
    )


def as_utf8(stream: Readable, charset: str) -> Readable:
    """Return a stream as UTF-8. A byte order mark counts more than the named encoding.

    Args:
        stream: The file.
        charset: The result of ``charset_of``.

    Raises:
        Problem: 400 while reading, for bytes that the encoding does not have.
    """
    first = stream.read(BLOCK_BYTES)
    charset = next((found for mark, found in MARKS.items() if first.startswith(mark)), charset)
    begun = _Begun(first, stream)
    return begun if charset == UTF_8 else _Decoded(begun, charset)
