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

from apps.templates.engine.syntax import TemplateSyntaxError, problem_at
from apps.templates.mjml_rules import mistakes, stray

LIQUID = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL
)
# What may stand before the document, besides Liquid and comments.
SPACE = re.compile(r"\s*(?:<\?xml[^<>]*>\s*)?", re.IGNORECASE)
ROOT = re.compile(r"<(mjml|mj-body|mj-head)(?=[\s>])", re.IGNORECASE)
# Blocks of Liquid whose text is not printed where they stand.
BLOCK = re.compile(r"\{%-?\s*(comment|capture)\b")
END_OF_BLOCK = {
    name: re.compile(rf"\{{%-?\s*end{name}\s*-?%\}}") for name in ("comment", "capture")
}
MJML_END = re.compile(r"</mjml\s*>", re.IGNORECASE)
ELEMENT_NAME = re.compile(r"(?<=<)/?mj[a-z-]*", re.IGNORECASE)
# What a client loads by itself. A link is followed only by a reader.
LOADED = re.compile(
    r"\s(?:src|background)=\"(https?://[^\"/]+)|<link\s[^>]*?href=\"(https?://[^\"/]+)"
    r"|url\(\s*['\"]?(https?://[^'\"/)]+)",
    re.IGNORECASE,
)
# Elements whose pictures come from hosts of MJML's makers, and what says where ours are.
PICTURES = {
    "mj-social-element": "src",
    "mj-accordion": "icon-wrapped-url and icon-unwrapped-url",
    "mj-carousel": "left-icon and right-icon",
}
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
    rendering = mrml.RenderOptions(disable_comments=False, fonts={})
    compiled = mrml.to_html(source, options, rendering)
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
        return self.index_of(len(self.text.encode()[:byte_index].decode(errors="ignore")))

    def index_of(self, index: int) -> int:
        """Convert an index into the text to an index into the source."""
        begins, source = max((pair for pair in self.shifts if pair[0] <= index), default=(0, 0))
        return source + index - begins


def is_mjml(source: str) -> bool:
    """Return whether the first element of a source is ``mjml``, or its body without it.

    Liquid and comments may stand before it, and upper case is taken.
    """
    return _root(source, 0) is not None


def _root(source: str, position: int) -> re.Match[str] | None:
    """Find the first element of a document, if only Liquid and comments stand before it."""
    while True:
        spaces = SPACE.match(source, position)
        position = spaces.end() if spaces else position
        if source.startswith("<!--", position):
            end = source.find("-->", position)
            if end < 0:
                return None
            position = end + len("-->")
        elif liquid := LIQUID.match(source, position):
            block = BLOCK.match(liquid[0])
            ending = block and END_OF_BLOCK[block[1]].search(source, liquid.end())
            position = ending.end() if ending else liquid.end()
        else:
            return ROOT.match(source, position)


def refuse_mistakes(source: str) -> None:
    """Refuse elements and attributes that MJML does not have; in HTML refuse all its elements.

    Raises:
        TemplateSyntaxError: There are some; it contains all of them.
    """
    masked = mask(source)
    if is_mjml(source):
        found = list(mistakes(masked.text, mark=masked.mark))
    else:
        found = [one for one in (stray(masked.text),) if one is not None]
    if found:
        raise TemplateSyntaxError(
            problem_at(source, masked.index_of(one.index), f"MJML: {one.message}") for one in found
        )


def compile_mjml(source: str) -> str:
    """Compile MJML to HTML that still contains the Liquid of the source. Includes are refused.

    Args:
        source: One or more documents, such as one in each branch of a condition, with Liquid
            around them. A body without ``mjml`` is a document, too.

    Raises:
        MjmlError: The source is not valid MJML, has an include, loads something of another host
            that it does not name, or takes too long to compile.
    """
    pieces: list[str] = []
    position = 0
    while found := _root(source, position):
        wrapped = found[1].lower() != "mjml"
        closing = None if wrapped else MJML_END.search(source, found.end())
        # If it is not closed, the compiler says where.
        end = closing.end() if closing else len(source)
        pieces += [source[position : found.start()]]
        pieces += [_document(source, found.start(), end, wrapped=wrapped)]
        position = end
    return "".join([*pieces, source[position:]])


def _document(source: str, begin: int, end: int, *, wrapped: bool) -> str:
    """Compile one document of a source; ``wrapped`` if the element ``mjml`` is missing."""
    text = ELEMENT_NAME.sub(lambda found: found[0].lower(), source[begin:end])
    try:
        compiled = _compiled(f"<mjml>{text}</mjml>" if wrapped else text)
    except MjmlError as error:
        if error.index is not None:
            error.index += begin - (len("<mjml>") if wrapped else 0)
        raise
    for found in LOADED.finditer(compiled):
        host = found[1] or found[2] or found[3]
        if host not in source:
            raise _foreign(source, host)
    return compiled


def _foreign(source: str, host: str) -> MjmlError:
    """Return the error about a picture of another host that the source does not name."""
    places = [(source.lower().find(f"<{name}"), name) for name in PICTURES]
    index, name = min((place for place in places if place[0] >= 0), default=(0, "mjml"))
    said = f"; say which with {PICTURES[name]}" if name in PICTURES else ""
    return MjmlError(f"MJML: '{name}' would load a picture of {host}{said}", index=index + 1)


def _compiled(source: str) -> str:
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
