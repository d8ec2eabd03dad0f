"""Pages of a table in the order of its ids, newest first, which read a limited number of rows."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

# The rows that a page of a filtered list searches, and that a list counts.
ROWS_SEARCHED = 10_000


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a page begins.

    Attributes:
        id: An id of the table.
        newer: The page has this row and newer ones, otherwise it has older ones.
    """

    id: Any
    newer: bool = False

    @property
    def rest(self) -> dict[str, Any]:
        """The condition of all rows from here on."""
        return {"pk__gte" if self.newer else "pk__lt": self.id}


class Source:
    """Rows that one index finds.

    Args:
        rows: The rows that match all filters.
        indexed: The rows that are read for it. None if these are the same.
    """

    def __init__(self, rows: QuerySet[Any], indexed: QuerySet[Any] | None = None) -> None:
        self.rows, self.indexed = rows, indexed

    def boundary(self, position: Position | None) -> Any:
        """Return where the search of a page ends; None if it reads all rows."""
        if self.indexed is None:
            return None
        newer = position is not None and position.newer
        rows = _from(self.indexed, position)
        offset = ROWS_SEARCHED if newer else ROWS_SEARCHED - 1
        return _ids(rows, newer=newer)[offset : offset + 1].first()

    def ids(self, position: Position | None, boundary: Any, most: int) -> Sequence[Any]:
        """Return the ids of the first matching rows between the position and the boundary."""
        newer = position is not None and position.newer
        rows = _from(self.rows, position)
        if boundary is not None:
            rows = rows.filter(**{"pk__lt" if newer else "pk__gte": boundary})
        return list(_ids(rows, newer=newer)[:most])

    def count(self) -> int | None:
        """Count the rows; None if there are more than ``ROWS_SEARCHED`` to read."""
        if self.boundary(None) is not None:
            return None
        count = _ids(self.rows, newer=False)[: ROWS_SEARCHED + 1].count()
        return count if count <= ROWS_SEARCHED else None


class KnownIds(Source):
    """Rows whose ids are known, so that no table is read to sort them.

    Args:
        rows: All rows of the table.
        ids: The ids.
    """

    def __init__(self, rows: QuerySet[Any], ids: Sequence[Any]) -> None:
        super().__init__(rows)
        self._ids = sorted(ids)

    def ids(self, position: Position | None, boundary: Any, most: int) -> Sequence[Any]:
        """Return the first ids from the position on."""
        if position is None:
            return self._ids[::-1][:most]
        place = bisect_left(self._ids, position.id)
        return self._ids[place:][:most] if position.newer else self._ids[:place][::-1][:most]

    def count(self) -> int | None:
        """Return the number of ids."""
        return len(self._ids)


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page.

    Attributes:
        ids: Its rows, newest first.
        newer: Where the page with newer rows begins; None at the newest one.
        older: Where the page with older rows begins; None at the oldest one.
        searched_to: The id up to which it has searched, if it could not be filled because of that.
    """

    ids: Sequence[Any]
    newer: Position | None
    older: Position | None
    searched_to: Any = None


def read_page(sources: Sequence[Source], position: Position | None, *, size: int) -> Page:
    """Read a page of the rows that any of the sources has.

    Each source is read by its own index. The page ends where the first of them has been searched
    for its limit of rows, so that no row is left out.
    """
    newer = position is not None and position.newer
    found = [bound for each in sources if (bound := each.boundary(position)) is not None]
    boundary = (min if newer else max)(found, default=None)
    ids = {one for source in sources for one in source.ids(position, boundary, size + 1)}
    in_order = sorted(ids, reverse=not newer)
    shown, more = in_order[:size], in_order[size:]
    if newer:
        first = more[0] if more else boundary
        return Page(
            ids=shown[::-1],
            newer=None if first is None else Position(id=first, newer=True),
            older=None if position is None else Position(id=position.id),
            searched_to=None if more else boundary,
        )
    last = shown[-1] if more else boundary
    return Page(
        ids=shown,
        newer=None if position is None else Position(id=position.id, newer=True),
        older=None if last is None else Position(id=last),
        searched_to=None if more else boundary,
    )


def _from(rows: QuerySet[Any], position: Position | None) -> QuerySet[Any]:
    return rows if position is None else rows.filter(**position.rest)


def _ids(rows: QuerySet[Any], *, newer: bool) -> QuerySet[Any, Any]:
    return rows.order_by("pk" if newer else "-pk").values_list("pk", flat=True)
