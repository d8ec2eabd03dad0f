"""Pages by id in addresses: ``from-<id>`` has this row and newer ones, ``before-<id>`` older."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from apps.common import keyset
from apps.common.ids import as_uuid
from apps.common.keyset import Page, Position, Source
from apps.desk.templatetags.desk import thin

PARAMETER = "page"
NEWER, OLDER = "from-", "before-"


def position_of(given: Mapping[str, str]) -> Position | None:
    """Return where the page of an address begins; None for the newest page."""
    value = given.get(PARAMETER, "")
    for prefix in (NEWER, OLDER):
        identifier = as_uuid(value.removeprefix(prefix)) if value.startswith(prefix) else None
        if identifier is not None:
            return Position(id=identifier, newer=prefix == NEWER)
    return None


def counted(page: Page, sources: Sequence[Source] | None, *, one: str, several: str) -> str:
    """Return how many rows a list has, in words: exact, or that there are more.

    Args:
        page: The page.
        sources: What it was read from, no row by two of them; None if rows may be.
        one: The word for one row.
        several: The word for several.
    """
    whole = page.newer is None and page.older is None
    counts = [len(page.ids)] if whole else [source.count() for source in sources or ()]
    known = [count for count in counts if count is not None]
    if len(counts) == 1 and not known and sources and sources[0].indexed is None:
        return f"more than {thin(keyset.ROWS_SEARCHED)} {several}"
    if not counts or len(known) < len(counts):
        return "more than these"
    count = sum(known)
    return f"{thin(count)} {one if count == 1 else several}"


def links(page: Page, kept: Mapping[str, str]) -> dict[str, str]:
    """Return the queries of the newest, the newer and the older page, with the filters kept.

    An empty one means that there is no such page.
    """
    return {
        "newest": urlencode(kept),
        "newer": _query(page.newer, kept),
        "older": _query(page.older, kept),
    }


def _query(position: Position | None, kept: Mapping[str, str]) -> str:
    if position is None:
        return ""
    prefix = NEWER if position.newer else OLDER
    return urlencode({**kept, PARAMETER: f"{prefix}{position.id}"})
