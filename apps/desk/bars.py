"""Bars that show how far something is, as shapes for an SVG of 100 units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 100.0
# One among a million is still seen.
LEAST = 0.5


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a bar, in units of the bar, and the class that colours it."""

    look: str
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar, and what it says to those who cannot see it."""

    parts: Sequence[Part]
    said: str


def bar(counts: Iterable[tuple[str, int]], *, total: int | None, said: str) -> Bar:
    """Return a bar.

    Args:
        counts: The look and the count of each part, from the left.
        total: How many all are; None if it is not known, then the bar is empty.
        said: The same in words.
    """
    parts: list[Part] = []
    x = 0.0
    for look, count in counts:
        if count and total:
            width = min(max(WIDTH * count / total, LEAST), WIDTH - x)
            parts.append(Part(look=look, x=round(x, 2), width=round(width, 2)))
            x += width
    return Bar(parts=parts, said=said)
