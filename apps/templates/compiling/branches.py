"""Which elements of HTML are always there in the same way, whatever its Liquid decides."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from apps.templates.compiling.markup import VOID, Kind, Token

TAG_NAME = re.compile(r"\{%-?\s*(\w+)")
OPENING = frozenset({"if", "unless", "case", "for", "capture", "comment"})
NEXT_BRANCH = frozenset({"else", "elsif", "when"})
CLOSING = frozenset(f"end{name}" for name in OPENING)


def tag_name(word: str) -> str:
    """Return the name of a Liquid tag, such as ``if``; empty for an output."""
    found = TAG_NAME.match(word)
    return found[1] if found else ""


def is_balanced(words: Iterable[str]) -> bool:
    """Return whether as many blocks begin as end in pieces of Liquid, such as those of a tag."""
    names = [tag_name(word) for word in words]
    return sum(name in OPENING for name in names) == sum(name in CLOSING for name in names)


@dataclass(eq=False)
class _Open:
    """An open element: its token's number, its name, and the branch in which it begins."""

    number: int
    name: str
    branch: int


class Branches:
    """Follows the blocks of Liquid and the elements that begin and end in them.

    Attributes:
        depth: How many blocks are open.
        has_blocks: Whether there was any block.
        uncertain: The numbers of the elements that do not begin and end in the same branch, or that
            stand in a text that is printed elsewhere.
    """

    def __init__(self) -> None:
        self.has_blocks = False
        self.uncertain: set[int] = set()
        self._numbers = count(1)
        self._branch = 0
        # The names of the open blocks, and the branches around them.
        self._blocks: list[tuple[str, int]] = []
        self._open: list[_Open] = []
        self._names: Counter[str] = Counter()

    @property
    def depth(self) -> int:
        """How many blocks are open."""
        return len(self._blocks)

    def liquid(self, words: Iterable[str]) -> None:
        """Follow pieces of Liquid between tags."""
        for name in map(tag_name, words):
            if name in OPENING:
                self.has_blocks = True
                self._blocks.append((name, self._branch))
                self._branch = next(self._numbers)
            elif name in NEXT_BRANCH:
                self._leave()
                self._branch = next(self._numbers)
            elif name in CLOSING and self._blocks:
                self._leave()
                self._branch = self._blocks.pop()[1]

    def tag(self, token: Token, number: int) -> None:
        """Follow a tag; ``number`` is that of its element if it is a start tag."""
        if token.kind is Kind.START:
            if any(name in {"capture", "comment"} for name, _ in self._blocks):
                self.uncertain.add(number)
            if token.name not in VOID:
                self._open.append(_Open(number, token.name, self._branch))
                self._names[token.name] += 1
        elif self._names[token.name]:
            while self._open:
                closed = self._open.pop()
                self._names[closed.name] -= 1
                if closed.branch != self._branch:
                    self.uncertain.add(closed.number)
                if closed.name == token.name:
                    break

    def _leave(self) -> None:
        """Note the elements that are open at the end of the branch in which they began."""
        for one in reversed(self._open):
            # Branches are numbered as they begin, so what is below was open before.
            if one.branch < self._branch:
                break
            self.uncertain.add(one.number)
