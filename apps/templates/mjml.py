"""Compile MJML to HTML when a template is saved, without changing the Liquid inside it.

The compiler does not support Liquid, so each tag and output is replaced by a placeholder word. The
compiler runs in a separate process: on a tree that is some thousand levels deep its stack overflows
and its process crashes.
"""

import re
import secrets
import subprocess
import sys
from dataclasses import dataclass

MJML_START = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)?<mjml[\s>]", re.DOTALL)
LIQUID = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL
)
ELEMENT = re.compile(r"<(?P<closing>/?)(?P<name>mj[a-z-]*)|(?P<end>/?>)")
# Elements that may only have elements as children; a placeholder there must be an element, too.
STRUCTURAL = frozenset(
    {
        "mj-body",
        "mj-column",
        "mj-group",
        "mj-hero",
        "mj-section",
        "mj-wrapper",
    }
)
TIMEOUT_SECONDS = 10
PLACE = re.compile(r"(?:at )?position (\d+)(?::(\d+))?")
COMPILER = """
import sys, mrml
options = mrml.ParserOptions(include_loader=mrml.noop_loader())
source = sys.stdin.buffer.read().decode()
try:
    compiled = mrml.to_html(source, options, mrml.RenderOptions(disable_comments=False))
except Exception as error:
    sys.stdout.buffer.write(str(error).encode())
    sys.exit(3)
sys.stdout.buffer.write(compiled.content.encode())
"""
REFUSED = 3


class MjmlError(Exception):
    """The source does not compile.

    Attributes:
        index: The index in the source, if the compiler reports a position; else None.
    """

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A source whose Liquid is replaced by placeholders.

    Attributes:
        text: The source with placeholders.
        mark: The prefix of all placeholders.
        words: The pieces of Liquid; the number at the end of a placeholder is the index.
        shifts: Pairs of an index into ``text`` and the corresponding index into the source.
    """

    text: str
    mark: str
    words: list[str]
    shifts: list[tuple[int, int]]

    def source_index(self, byte_index: int) -> int:
        """Convert a byte index of the compiler to a character index in the source."""
        index = len(self.text.encode()[:byte_index].decode(errors="ignore"))
        begins, source = max((pair for pair in self.shifts if pair[0] <= index), default=(0, 0))
        return source + index - begins


def is_mjml(source: str) -> bool:
    """Return whether the first element of a source is ``mjml``."""
    return MJML_START.match(source) is not None


def compile_mjml(source: str) -> str:
    """Compile MJML to HTML that still contains the Liquid of the source. Includes are refused.

    Raises:
        MjmlError: The source is not valid MJML, has an include, or takes too long to compile.
    """
    disguised = mask(source)
    command = [sys.executable, "-c", COMPILER]
    try:
        done = subprocess.run(  # noqa: S603 - both arguments are our own.
            command,
            input=disguised.text.encode(),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"MJML: it does not compile within {TIMEOUT_SECONDS} s"
        raise MjmlError(message) from None
    answer = done.stdout.decode()
    if done.returncode == REFUSED:
        raise _refusal(answer, disguised)
    if done.returncode:
        raise MjmlError("MJML: it does not compile; it may be nested too deep")
    return unmask(answer, disguised)


def _refusal(answer: str, disguised: Masked) -> MjmlError:
    place = PLACE.search(answer)
    message = PLACE.sub("", answer).replace("in root template", "").strip()
    index = disguised.source_index(int(place[1])) if place else None
    if "include" in message:
        message = "mj-include is not offered: a version is complete in itself"
    return MjmlError(f"MJML: {message}", index=index)


def mask(source: str) -> Masked:
    """Replace each piece of Liquid by a placeholder."""
    # Random, so that a source cannot contain it.
    mark = f"lq{secrets.token_hex(6)}x"
    words: list[str] = []
    pieces: list[str] = []
    shifts = [(0, 0)]
    length = position = 0
    tree = _Tree()
    for found in LIQUID.finditer(source):
        before = source[position : found.start()]
        tree.follow(before)
        word = f"{mark}{len(words):06d}"
        words.append(found[0])
        placed = f"<mj-raw>{word}</mj-raw>" if tree.between_elements else word
        pieces += [before, placed]
        length += len(before) + len(placed)
        position = found.end()
        shifts.append((length, position))
    pieces.append(source[position:])
    return Masked(text="".join(pieces), mark=mark, words=words, shifts=shifts)


class _Tree:
    """Tracks the MJML element in which the text that was read so far ends."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._in_tag = False

    @property
    def between_elements(self) -> bool:
        return not self._in_tag and bool(self._open) and self._open[-1] in STRUCTURAL

    def follow(self, text: str) -> None:
        for found in ELEMENT.finditer(text):
            if found["end"]:
                if found["end"] == "/>" and self._in_tag and self._open:
                    self._open.pop()
                self._in_tag = False
            elif found["closing"]:
                if found["name"] in self._open:
                    while self._open.pop() != found["name"]:
                        pass
            else:
                self._open.append(found["name"])
                self._in_tag = True


def unmask(compiled: str, disguised: Masked) -> str:
    """Replace the placeholders by the original Liquid."""
    word = re.compile(disguised.mark + r"(\d{6})")
    return word.sub(lambda found: disguised.words[int(found[1])], compiled)
