"""Retry a database step on a new connection while the database does not answer."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import DataError, Error, IntegrityError, connection

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 1.0
SHORT_PATIENCE_SECONDS = 10.0

# The values of a statement cause these errors, so a retry fails again. All other errors are
# temporary: the server restarts, a session was terminated, a lock wait timed out, two transactions
# were in a deadlock, the disk is full, a migration has not been applied yet.
ABOUT_THE_VALUES = (DataError, IntegrityError)

Outcome = TypeVar("Outcome")


def run_until_answered(
    step: Callable[[bool], Outcome],
    *,
    what: str,
    patience_seconds: float,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Run a step and retry it after each temporary error until it succeeds.

    Nothing is retried inside a transaction of the caller, because the whole transaction has
    failed.

    Args:
        step: The function to run. Its argument is True if an earlier try has failed: when a
            connection breaks during a commit, it is unknown whether that try was committed.
        what: The name of the step in the log.
        patience_seconds: How long to retry. No try starts after this time.
        sleep: Waits between two tries.
        clock: Returns monotonic seconds.

    Raises:
        django.db.Error: The values are refused, or the database did not answer in time.
    """
    began = clock()
    pause = FIRST_PAUSE_SECONDS
    repeated = False
    while True:
        try:
            return step(repeated)
        except ABOUT_THE_VALUES:
            raise
        except Error as error:
            if connection.in_atomic_block or clock() + pause - began >= patience_seconds:
                raise
            log.warning(
                "a step is repeated on a new database connection",
                what=what,
                error=type(error).__name__,
                waited_seconds=round(clock() - began, 1),
            )
        connection.close()
        sleep(pause)
        pause = min(pause * 2, LAST_PAUSE_SECONDS)
        repeated = True


def run_if_answered(words: str, step: Callable[[], object]) -> None:
    """Run an optional step. If the database does not answer in time, log a warning and return.

    Args:
        words: The log message that says what was not done.
        step: The function to run. It must be idempotent.
    """
    try:
        run_until_answered(lambda _: step(), what=words, patience_seconds=SHORT_PATIENCE_SECONDS)
    except Error as error:
        log.warning(words, error=type(error).__name__)
