"""A database step is retried on a new connection until it succeeds or the time is over."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from psycopg.conninfo import make_conninfo

from apps.common.database_retry import run_until_answered
from tests import services


class Clock:
    """A clock that moves only while the code under test sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def failing(*errors: Exception) -> tuple[Callable[[bool], str], list[bool]]:
    """Make a step that raises these errors one after the other and then succeeds."""
    left, repetitions = list(errors), list[bool]()

    def step(repeated: bool) -> str:  # noqa: FBT001 - the signature that is called.
        repetitions.append(repeated)
        if left:
            raise left.pop(0)
        return "done"

    return step, repetitions


def run(step: Callable[[bool], Any], clock: Clock, *, patience_seconds: float = 60.0) -> Any:
    return run_until_answered(
        step, what="test", patience_seconds=patience_seconds, sleep=clock.sleep, clock=clock
    )


@pytest.mark.django_db(transaction=True)
def test_a_step_is_retried_with_growing_pauses_and_knows_that_it_is_a_retry() -> None:
    clock = Clock()
    step, repetitions = failing(*[OperationalError("the connection is lost")] * 6)
    assert run(step, clock) == "done"
    assert repetitions == [False, *[True] * 6]
    assert clock.slept == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.django_db(transaction=True)
def test_retries_end_after_the_given_time() -> None:
    clock = Clock()
    step, repetitions = failing(*[OperationalError("away")] * 1000)
    with pytest.raises(OperationalError):
        run(step, clock, patience_seconds=10.0)
    assert 9.0 <= clock.now < 10.0
    assert len(repetitions) == len(clock.slept) + 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [DataError("a NUL"), IntegrityError("twice"), ValueError("bug")])
def test_errors_caused_by_the_values_are_not_retried(error: Exception) -> None:
    clock = Clock()
    step, repetitions = failing(error)
    with pytest.raises(type(error)):
        run(step, clock)
    assert repetitions == [False]


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_nothing_is_retried() -> None:
    clock = Clock()
    step, repetitions = failing(OperationalError("away"))
    with pytest.raises(OperationalError), transaction.atomic():
        run(step, clock)
    assert repetitions == [False]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_terminated_session_is_replaced_by_a_new_one() -> None:
    pids: list[int] = []

    def ask(_: bool) -> int:  # noqa: FBT001 - as above.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pids.append(int(cursor.fetchone()[0]))
            if len(pids) == 1:
                with psycopg.connect(make_conninfo(services.DATABASE_URL)) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", pids)
            cursor.execute("SELECT 1")
        return pids[-1]

    clock = Clock()
    assert run(ask, clock) == pids[1] != pids[0]
