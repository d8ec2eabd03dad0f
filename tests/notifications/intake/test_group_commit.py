"""Group commit: concurrent rows share one insert, and each call gets its own result."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, OperationalError, connections

from apps.notifications.intake import accept
from apps.notifications.intake.group_commit import GroupCommit
from apps.notifications.models import Notification
from apps.notifications.statistics.record import insert_accepted
from apps.users.models import User
from tests.journeys.http import until
from tests.notifications.factories import SHOP, a_request

Rows = Sequence[Notification]


def a_row(key: str | None = None) -> Notification:
    return Notification(request_id=key, user_id=uuid4())


class Store:
    """A store that stores nothing and blocks its first call until the test sets ``go_on``."""

    def __init__(self, refuse: Callable[[Rows], Exception | None] = lambda _: None) -> None:
        self.calls: list[list[Notification]] = []
        self.entered, self.go_on = threading.Event(), threading.Event()
        self._refuse = refuse

    def __call__(self, rows: Rows) -> None:
        self.calls.append(list(rows))
        if len(self.calls) == 1:
            self.entered.set()
            assert self.go_on.wait(10)
        if (error := self._refuse(rows)) is not None:
            raise error


def _waits(group_commit: GroupCommit, count: int) -> bool:
    return len(group_commit._waiting) == count


def put_during_insert(store: Store, rows: Rows) -> list[Exception | None]:
    """Put the first row, and the others during its insert; return what each call raised."""
    group_commit = GroupCommit(store)

    def put(row: Notification) -> Exception | None:
        try:
            group_commit.put(row)
        except Exception as error:  # noqa: BLE001 - the test checks it.
            return error
        return None

    with ThreadPoolExecutor(len(rows)) as pool:
        first = pool.submit(put, rows[0])
        assert store.entered.wait(10)
        others = []
        for count, row in enumerate(rows[1:], start=1):
            others.append(pool.submit(put, row))
            until(partial(_waits, group_commit, count), within=10, what="a row to wait")
        store.go_on.set()
        return [call.result(timeout=10) for call in (first, *others)]


def test_a_single_row_is_stored_at_once() -> None:
    store = Store()
    store.go_on.set()
    row = a_row()

    GroupCommit(store).put(row)

    assert store.calls == [[row]]


def test_rows_that_arrive_during_an_insert_are_the_next_group() -> None:
    store = Store()
    rows = [a_row() for _ in range(5)]

    assert put_during_insert(store, rows) == [None] * 5

    assert [len(call) for call in store.calls] == [1, 4]
    assert {row.pk for call in store.calls for row in call} == {row.pk for row in rows}


def test_rows_of_a_group_are_inserted_in_the_order_of_their_keys() -> None:
    store = Store()

    put_during_insert(store, [a_row(), a_row("c"), a_row("a"), a_row("b")])

    assert [row.request_id for row in store.calls[1]] == ["a", "b", "c"]


def test_a_row_that_the_database_refuses_fails_alone() -> None:
    bad = a_row("bad")
    store = Store(lambda rows: IntegrityError("twice") if bad in rows else None)

    first, good, refused, good_too = put_during_insert(store, [a_row(), a_row(), bad, a_row()])

    assert (first, good, good_too) == (None, None, None)
    assert isinstance(refused, IntegrityError)
    assert [len(call) for call in store.calls] == [1, 3, 1, 1, 1]


def test_a_single_row_that_is_refused_is_not_inserted_again() -> None:
    store = Store(lambda _: IntegrityError("twice"))
    store.go_on.set()

    with pytest.raises(IntegrityError):
        GroupCommit(store).put(a_row())

    assert len(store.calls) == 1


def test_all_rows_of_a_group_fail_without_retry_when_the_database_is_unreachable() -> None:
    store = Store(lambda _: OperationalError("gone"))

    errors = put_during_insert(store, [a_row() for _ in range(4)])

    assert [type(error) for error in errors] == [OperationalError] * 4
    assert [len(call) for call in store.calls] == [1, 3]


def test_a_terminated_thread_leaves_no_other_thread_waiting() -> None:
    def refuse(rows: Rows) -> None:
        if len(rows) > 1:
            raise SystemExit

    store = Store(refuse)
    rows = [a_row() for _ in range(4)]

    with suppress(SystemExit):
        put_during_insert(store, rows)

    tried = [row for call in store.calls[2:] for row in call]
    assert len(tried) == 2
    assert {row.pk for row in tried} < {row.pk for row in rows[1:]}


@pytest.mark.django_db(transaction=True)
def test_concurrent_threads_with_the_same_keys_store_each_key_once(alice: User) -> None:
    keys = [f"key-{number}" for number in range(20)]

    def send(_: int) -> list[tuple[Any, bool]]:
        answers = [accept.accept(a_request(alice, request_id=key), caller=SHOP) for key in keys]
        connections.close_all()
        return [(answer.notification.pk, answer.replayed) for answer in answers]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(send, range(4)))

    stored = dict(Notification.objects.values_list("request_id", "pk"))
    assert stored.keys() == set(keys)
    for place, key in enumerate(keys):
        assert {answers[place][0] for answers in results} == {stored[key]}
        assert [answers[place][1] for answers in results].count(False) == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_threads_lose_no_rows(alice: User) -> None:
    def send(_: int) -> list[Any]:
        rows = [accept.accept(a_request(alice), caller=SHOP).notification.pk for _ in range(25)]
        connections.close_all()
        return rows

    with ThreadPoolExecutor(8) as pool:
        results = [pk for answers in pool.map(send, range(8)) for pk in answers]

    assert sorted(results) == sorted(Notification.objects.values_list("pk", flat=True))
    assert len(set(results)) == 200


def test_the_real_store_is_one_statement() -> None:
    assert accept._singles._store is insert_accepted
