"""Replace the Liquid of a source by words that tools for HTML, MJML and CSS leave alone."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

LIQUID = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL
)


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

    @property
    def placeholder(self) -> re.Pattern[str]:
        """The pattern of a placeholder; its group is the index of its piece of Liquid."""
        return re.compile(self.mark + r"(\d{6})")

    def source_index(self, byte_index: int) -> int:
        """Convert a byte index of the compiler to a character index in the source."""
        return self.index_of(len(self.text.encode()[:byte_index].decode(errors="ignore")))

    def index_of(self, index: int) -> int:
        """Convert an index into the text to an index into the source."""
        begins, source = max((pair for pair in self.shifts if pair[0] <= index), default=(0, 0))
        return source + index - begins


def bare(before: str, word: str) -> str:
    """Return a placeholder as it is."""
    return word


def mask(source: str, place: Callable[[str, str], str] = bare) -> Masked:
    """Replace each piece of Liquid by a placeholder.

    Args:
        source: The source. Its Liquid has been parsed without an error.
        place: Returns what stands for a placeholder, given the text since the one before.
    """
    # Random, so that a source cannot contain it.
    mark = f"lq{secrets.token_hex(6)}x"
    words: list[str] = []
    pieces: list[str] = []
    shifts = [(0, 0)]
    length = position = 0
    for found in LIQUID.finditer(source):
        before = source[position : found.start()]
        placed = place(before, f"{mark}{len(words):06d}")
        words.append(found[0])
        pieces += [before, placed]
        length += len(before) + len(placed)
        position = found.end()
        shifts.append((length, position))
    pieces.append(source[position:])
    return Masked(text="".join(pieces), mark=mark, words=words, shifts=shifts)


def unmask(text: str, masked: Masked) -> str:
    """Replace the placeholders by the original Liquid."""
    return masked.placeholder.sub(lambda found: masked.words[int(found[1])], text)
