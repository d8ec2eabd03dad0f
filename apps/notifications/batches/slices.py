"""Rows of a batch in the database: cut into slices, kept compressed, taken out one by one."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import islice

from apps.notifications.models import Batch, BatchSlice

# One transaction's worth: a fraction of a second, so that on SQLite others can write between.
SLICE_ROWS = 500
# The fastest level; rows of one file resemble each other, so it is enough.
COMPRESSION = 1


def cut(rows: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Cut rows into slices, each with the place of its first row."""
    remaining = iter(rows)
    first = 0
    while piece := list(islice(remaining, SLICE_ROWS)):
        yield first, piece
        first += len(piece)


def keep(batch: Batch, first_index: int, rows: Iterable[bytes]) -> None:
    """Store a slice.

    Args:
        batch: Whose rows these are.
        first_index: The place of the first one.
        rows: Each without a line feed.
    """
    BatchSlice.objects.create(
        batch=batch, first_index=first_index, rows=zlib.compress(b"\n".join(rows), COMPRESSION)
    )


def rows_of(piece: BatchSlice) -> list[bytes]:
    """Read the rows of a slice."""
    return zlib.decompress(bytes(piece.rows)).split(b"\n")
