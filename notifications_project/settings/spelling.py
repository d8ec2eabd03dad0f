"""Find environment variables whose names are probably misspelt.

A misspelt variable would be ignored, and its default used without a word.
"""

from collections.abc import Iterable

# A name with fewer letters, such as PORT or DEBUG, is one edit away from names of other programs.
SHORTEST_LETTERS = 8


def misspelt(given: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the given names that are one edit away from a known one, each with that one."""
    ours = {ours for name in known for ours in (name, f"{name}_FILE")}
    long = [name for name in sorted(ours) if len(name.replace("_", "")) >= SHORTEST_LETTERS]
    found: dict[str, str] = {}
    for name in sorted(set(given) - ours):
        right = next((one for one in long if one_edit_apart(name, one)), None)
        if right is not None:
            found[name] = right
    return found


def one_edit_apart(left: str, right: str) -> bool:
    """Return whether one character was inserted, deleted or replaced, or two neighbours swapped."""
    if abs(len(left) - len(right)) > 1:
        return False
    if len(left) != len(right):
        return _one_is_missing(*sorted((left, right), key=len))
    places = [
        place for place, pair in enumerate(zip(left, right, strict=True)) if len(set(pair)) > 1
    ]
    if len(places) == 1:
        return True
    return (
        len(places) == 2  # noqa: PLR2004 - two neighbours.
        and places[1] == places[0] + 1
        and sorted(left) == sorted(right)
    )


def _one_is_missing(shorter: str, longer: str) -> bool:
    return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))
