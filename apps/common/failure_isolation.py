"""Process many rows so that a row that fails does not stop the others."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db import DataError, Error, IntegrityError, InternalError, transaction

# These can come from one row: a value that does not fit, a rule that is broken, a damaged page.
# Every other error of the database meets all rows alike, so that nothing is won by dividing them.
OF_ONE_ROW = (DataError, IntegrityError, InternalError)

# What fails is put off for this long, doubled each time, and given up after so many times: two
# hours in all, so that a release with a fault can be replaced before anything is given up.
FIRST_WAIT = timedelta(minutes=1)
LAST_WAIT = timedelta(hours=1)
FAILURES_MAX = 8

Row = TypeVar("Row")
Result = TypeVar("Result")


def name_of(error: Exception) -> str:
    """Name an error for people, without what it says, which may hold values."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def meets_all(error: Exception) -> bool:
    """Tell whether an error is about the database as a whole and not about one row."""
    return isinstance(error, Error) and not isinstance(error, OF_ONE_ROW)


def wait_after(failures: int, *, first: timedelta = FIRST_WAIT) -> timedelta:
    """Say how long to leave alone what has failed so many times, from 1."""
    doublings = min(failures - 1, 20)  # More would not fit into a timedelta.
    return min(first * (1 << doublings), LAST_WAIT)


def set_apart(
    rows: Sequence[Row],
    step: Callable[[Sequence[Row]], Result],
    *,
    failed: Callable[[Row, Exception], Result],
) -> list[Result]:
    """Do a step for all rows together; where it fails, for each half of them, down to single rows.

    Each try has a savepoint of its own. One bad row among a thousand costs twenty of them.

    Args:
        rows: What to do it for.
        step: Is given some of the rows, in their order. It must change nothing but the database.
        failed: Is given a row for which the step failed, outside the savepoint, and its error.

    Returns:
        What ``step`` and ``failed`` returned.

    Raises:
        django.db.Error: The database is away, or has another trouble that meets all rows.
    """
    if not rows:
        return []
    try:
        with transaction.atomic():
            return [step(rows)]
    except Exception as error:
        if meets_all(error):
            raise
        if len(rows) == 1:
            return [failed(rows[0], error)]
    middle = len(rows) // 2
    return [
        *set_apart(rows[:middle], step, failed=failed),
        *set_apart(rows[middle:], step, failed=failed),
    ]
