"""The columns of errors in a file, and the apostrophe that keeps a cell from being a formula.

A file of errors is mended in a spreadsheet and uploaded again. Its columns of errors are left out
then, and each cell that was escaped gets its own text back. Other files are never changed.
"""

import re
from collections.abc import Sequence

PREFIX = "error."
# What spreadsheets take for the beginning of a formula, in both widths, after any apostrophes: so a
# cell that has an apostrophe of its own keeps it.
FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# The columns beside the row: the line of the file, and the parts of its errors.
LINE = f"{PREFIX}line"
PARTS = ("pointer", "code", "detail")
# What of a row has no column.
REST = f"{PREFIX}rest"


def escaped(cell: str) -> str:
    """Return a cell as spreadsheets take it for text."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """Return the cell that was escaped. Text that nobody has escaped is not changed."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def places_of(header: Sequence[str]) -> frozenset[int]:
    """Return the places of the columns of errors."""
    return frozenset(
        place for place, name in enumerate(header) if name.strip().lower().startswith(PREFIX)
    )


def without(places: frozenset[int], cells: list[str]) -> list[str]:
    """Return the cells of a row that are no errors, as they were before they were escaped.

    Args:
        places: The result of ``places_of``; if there are none, nothing is changed.
        cells: The header, or a row.
    """
    if not places:
        return cells
    return [unescaped(cell) for place, cell in enumerate(cells) if place not in places]
