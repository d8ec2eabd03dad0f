"""Rows of a batch, stored in the database as compressed slices."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import islice

from apps.notifications.models import Batch, BatchSlice

# The rows of one transaction. It takes a fraction of a second, so that on SQLite other processes
# can write in between.
SLICE_ROWS = 500
# The fastest zlib level. It is enough, because the rows of one file are similar.
COMPRESSION = 1


def cut(rows: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Split rows into slices, each with the index of its first row."""
    remaining = iter(rows)
    first = 0
    while piece := list(islice(remaining, SLICE_ROWS)):
        yield first, piece
        first += len(piece)


def keep(batch: Batch, first_index: int, rows: Iterable[bytes]) -> None:
    """Store a slice.

    Args:
        batch: The batch of the rows.
        first_index: The index of the first row.
        rows: The rows, each without a line feed.
    """
    BatchSlice.objects.create(
        batch=batch, first_index=first_index, rows=zlib.compress(b"\n".join(rows), COMPRESSION)
    )


def rows_of(piece: BatchSlice) -> list[bytes]:
    """Decompress the rows of a slice."""
    return zlib.decompress(bytes(piece.rows)).split(b"\n")
