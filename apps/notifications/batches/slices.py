"""Rows of a batch, stored in the database as compressed slices."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from apps.notifications.models import Batch, BatchSlice

Row = TypeVar("Row")

# The rows of one transaction. It takes a fraction of a second, so that on SQLite other processes
# can write in between. What a slice costs besides its rows (some 20 statements and a look at the
# lanes) is as much as 250 of its rows cost.
SLICE_ROWS = 1000
# The fastest zlib level. It is enough, because the rows of one file are similar.
COMPRESSION = 1


def cut(rows: Iterable[Row]) -> Iterator[tuple[int, list[Row]]]:
    """Split rows into slices, each with the index of its first row."""
    remaining = iter(rows)
    first = 0
    while piece := list(islice(remaining, SLICE_ROWS)):
        yield first, piece
        first += len(piece)


def keep(
    batch: Batch, first_index: int, rows: Iterable[bytes], *, lines: Sequence[int] = ()
) -> None:
    """Store a slice.

    Args:
        batch: The batch of the rows.
        first_index: The index of the first row.
        rows: The rows, each without a line feed.
        lines: The lines of the file on which they begin; none if they are of no file.
    """
    BatchSlice.objects.create(
        batch=batch,
        first_index=first_index,
        rows=zlib.compress(b"\n".join(rows), COMPRESSION),
        lines=_shortened(lines),
    )


def _shortened(lines: Sequence[int]) -> int | list[int] | None:
    """Return the first line if the others follow it one by one, as in most files."""
    if not lines:
        return None
    return lines[0] if lines[-1] - lines[0] == len(lines) - 1 else list(lines)


def lines_of(piece: BatchSlice, count: int) -> Sequence[int]:
    """Return the lines on which the rows of a slice begin; none if they are not known."""
    if isinstance(piece.lines, int):
        return range(piece.lines, piece.lines + count)
    return piece.lines or ()


def rows_of(piece: BatchSlice) -> list[bytes]:
    """Decompress the rows of a slice."""
    return zlib.decompress(bytes(piece.rows)).split(b"\n")
