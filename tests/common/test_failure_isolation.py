"""A row that fails does not stop the others, and finding it costs few extra steps."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from apps.common.failure_isolation import LAST_WAIT, isolate_failures, name_of, wait_after

pytestmark = pytest.mark.django_db


def store(names: Sequence[str]) -> int:
    at = timezone.now()
    for name in names:
        Session.objects.create(session_key=name, session_data="", expire_date=at)
    return len(names)


@pytest.mark.parametrize("bad", [["a0"], ["a999"], ["a3", "a4", "a500"]])
def test_all_rows_except_the_bad_ones_are_processed_in_order(bad: list[str]) -> None:
    store(bad)
    rows = [f"a{number}" for number in range(1000)]
    tried, failed = [], []

    def step(some: Sequence[str]) -> int:
        tried.append(len(some))
        if set(some) & set(bad):
            raise IntegrityError
        return store(some)

    def put_off(row: str, error: Exception) -> int:
        assert isinstance(error, IntegrityError)
        failed.append(row)
        return 0

    assert sum(isolate_failures(rows, step, failed=put_off)) == 1000 - len(bad)
    assert failed == bad
    assert Session.objects.count() == 1000
    assert len(tried) <= 1 + 20 * len(bad)


def leave(row: str, error: Exception) -> int:
    assert row == "bad"
    assert isinstance(error, ValueError)
    return 0


def test_writes_of_a_failed_step_are_rolled_back() -> None:
    def step(some: Sequence[str]) -> int:
        store(some)
        if "bad" in some:
            raise ValueError
        return len(some)

    isolate_failures(["a", "b", "bad", "c"], step, failed=leave)
    assert set(Session.objects.values_list("session_key", flat=True)) == {"a", "b", "c"}


def test_an_unreachable_database_does_not_count_as_a_bad_row() -> None:
    def step(some: Sequence[str]) -> int:
        raise OperationalError

    def never(row: str, error: Exception) -> int:
        raise AssertionError

    with pytest.raises(OperationalError):
        isolate_failures(["a", "b"], step, failed=never)


def test_no_rows_give_no_results() -> None:
    assert isolate_failures([], store, failed=leave) == []


def test_the_waits_double_up_to_an_hour() -> None:
    minutes = [wait_after(failures) / timedelta(minutes=1) for failures in range(1, 10)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert wait_after(10_000) == LAST_WAIT
    assert wait_after(1, first=timedelta(seconds=5)) == timedelta(seconds=5)


def test_the_name_of_an_error_contains_no_message() -> None:
    assert name_of(KeyError("ada@example.com")) == "KeyError"
    assert name_of(IntegrityError("ada@example.com")) == "django.db.utils.IntegrityError"
