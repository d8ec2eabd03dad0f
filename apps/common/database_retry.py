"""Run a step again, on a new connection, while the database does not answer it."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import DataError, Error, IntegrityError, connection

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 1.0
SHORT_PATIENCE_SECONDS = 10.0

# These are about the values of a statement, so they come again however often it is repeated. All
# others pass: the server restarts, a session was ended, a lock was waited for too long, two
# transactions met in a deadlock, the disk is full, a migration has not been applied yet.
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
    """Run a step, and again after each error that passes, until it succeeds.

    Inside a transaction of the caller nothing is repeated, because the whole transaction has
    failed.

    Args:
        step: What to do. It is told whether an earlier try failed: a connection that broke during
            a commit leaves open whether that try is in the database.
        what: Names the step in the log.
        patience_seconds: How long to try. The last try begins before this is over.
        sleep: Waits between two tries.
        clock: Monotonic seconds.

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
    """Do what may be left undone in the end: then the log tells it.

    Args:
        words: What is left undone, for the log.
        step: What to do; repeated it must change nothing.
    """
    try:
        run_until_answered(lambda _: step(), what=words, patience_seconds=SHORT_PATIENCE_SECONDS)
    except Error as error:
        log.warning(words, error=type(error).__name__)
