"""Pages by id in addresses: ``from-<id>`` has this row and newer ones, ``before-<id>`` older."""

from collections.abc import Mapping
from urllib.parse import urlencode

from apps.common.ids import as_uuid
from apps.common.keyset import Page, Position

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
