"""MJML to HTML at saving time, with the Liquid inside it kept whole.

The compiler takes a tree and knows nothing of Liquid, so each tag and output travels through it
as a word of letters. It runs in a process of its own: on a tree nested some thousand deep it
overflows its stack and takes its process with it.
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
# Elements whose children are elements: a tag between these must travel as an element, too.
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
        index: Where in the source, as far as the compiler says.
    """

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True, kw_only=True)
class Disguised:
    """A source whose Liquid is hidden behind words.

    Attributes:
        words: The pieces of Liquid by the number that their word ends in.
        shifts: Pairs of an index into ``text`` and the same place in the source.
    """

    text: str
    mark: str
    words: list[str]
    shifts: list[tuple[int, int]]

    def source_index(self, byte_index: int) -> int:
        """Translate the compiler's place, counted in bytes, to one in the source."""
        index = len(self.text.encode()[:byte_index].decode(errors="ignore"))
        begins, source = max((pair for pair in self.shifts if pair[0] <= index), default=(0, 0))
        return source + index - begins


def is_mjml(source: str) -> bool:
    """Tell whether a source is MJML, by its first element."""
    return MJML_START.match(source) is not None


def compile_mjml(source: str) -> str:
    """Compile to HTML that still has the Liquid of the source. Files are never included.

    Raises:
        MjmlError: The source is not MJML, or includes something.
    """
    disguised = disguise(source)
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
    return reveal(answer, disguised)


def _refusal(answer: str, disguised: Disguised) -> MjmlError:
    place = PLACE.search(answer)
    message = PLACE.sub("", answer).replace("in root template", "").strip()
    index = disguised.source_index(int(place[1])) if place else None
    if "include" in message:
        message = "mj-include is not offered: a version is complete in itself"
    return MjmlError(f"MJML: {message}", index=index)


def disguise(source: str) -> Disguised:
    """Put a word in the place of each piece of Liquid."""
    # Unforeseeable, so that no source can contain one already.
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
    return Disguised(text="".join(pieces), mark=mark, words=words, shifts=shifts)


class _Tree:
    """Knows which MJML element the text that was followed so far ends in."""

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


def reveal(compiled: str, disguised: Disguised) -> str:
    """Put the Liquid back."""
    word = re.compile(disguised.mark + r"(\d{6})")
    return word.sub(lambda found: disguised.words[int(found[1])], compiled)
