"""Process many rows so that one failing row does not stop the others."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db import DataError, Error, IntegrityError, InternalError, transaction

# One row can cause these errors: a value that does not fit, a violated constraint, a damaged page.
# Every other database error affects all rows, so it does not help to split the batch.
ROW_ERRORS = (DataError, IntegrityError, InternalError)

# Exponential backoff of a failing row: the wait doubles after each failure, and the row is given up
# after FAILURES_MAX failures. That is two hours in total, so that a faulty release can be replaced
# before any row is given up.
FIRST_WAIT = timedelta(minutes=1)
LAST_WAIT = timedelta(hours=1)
FAILURES_MAX = 8

Row = TypeVar("Row")
Result = TypeVar("Result")


def name_of(error: Exception) -> str:
    """Return the class name of an error, without its message, which may contain values."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def affects_all(error: Exception) -> bool:
    """Return whether an error concerns the whole database and not a single row."""
    return isinstance(error, Error) and not isinstance(error, ROW_ERRORS)


def wait_after(failures: int, *, first: timedelta = FIRST_WAIT) -> timedelta:
    """Return how long to wait before the next try after ``failures`` failures, at least 1."""
    doublings = min(failures - 1, 20)  # A larger number would overflow a timedelta.
    return min(first * (1 << doublings), LAST_WAIT)


def isolate_failures(
    rows: Sequence[Row],
    step: Callable[[Sequence[Row]], Result],
    *,
    failed: Callable[[Row, Exception], Result],
) -> list[Result]:
    """Run a step for all rows together. If it fails, run it for each half, down to single rows.

    Each try has its own savepoint. One bad row in a thousand costs twenty savepoints.

    Args:
        rows: The rows to process.
        step: Receives some of the rows, in order. It must change nothing but the database.
        failed: Receives a row for which the step failed, and its error. It is called outside the
            savepoint.

    Returns:
        The results of ``step`` and ``failed``.

    Raises:
        django.db.Error: The database is unavailable or has another error that affects all rows.
    """
    if not rows:
        return []
    try:
        with transaction.atomic():
            return [step(rows)]
    except Exception as error:
        if affects_all(error):
            raise
        if len(rows) == 1:
            return [failed(rows[0], error)]
    middle = len(rows) // 2
    return [
        *isolate_failures(rows[:middle], step, failed=failed),
        *isolate_failures(rows[middle:], step, failed=failed),
    ]
