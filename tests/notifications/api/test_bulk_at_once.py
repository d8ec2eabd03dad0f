"""Concurrent bulk calls: in any order, each key makes one row and no call gets an error."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from apps.notifications.models import Batch, Notification
from apps.users import api_keys
from tests.notifications.factories import body, person, template

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/v1/notifications/bulk"
CALLS = 6
# Enough rows that PostgreSQL is in the middle of one call when the next begins.
ROWS = 600


def at_once(ask: Callable[[APIClient, int], Any]) -> list[Any]:
    """Make the calls concurrently, one thread each, and return their answers."""
    _, plain = api_keys.create(name="shop")
    start = threading.Barrier(CALLS)
    answers: list[Any] = []

    def work(number: int) -> None:
        try:
            caller = APIClient(raise_request_exception=False)
            caller.credentials(HTTP_AUTHORIZATION=f"Api-Key {plain}")
            start.wait()
            answers.append(ask(caller, number))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CALLS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return answers


def test_the_same_rows_in_another_order_do_not_deadlock() -> None:
    template("welcome")
    alice = person("alice")
    rows = [body(alice, request_id=f"r{place}") for place in range(ROWS)]

    def ask(caller: APIClient, number: int) -> Any:
        mine = rows.copy()
        random.Random(number).shuffle(mine)
        return caller.post(PATH, {"notifications": mine}, format="json")

    answers = at_once(ask)
    assert [answer.status_code for answer in answers] == [202] * CALLS
    assert [answer.json()["rejected"] for answer in answers] == [0] * CALLS
    results = [result for answer in answers for result in answer.json()["results"]]
    assert sum(result["status"] == "accepted" for result in results) == ROWS
    assert {result["id"] for result in results} == {
        str(pk) for pk in Notification.objects.values_list("pk", flat=True)
    }
    assert Notification.objects.count() == ROWS


def test_the_same_call_with_its_key_is_made_once() -> None:
    template("welcome")
    alice = person("alice")
    rows = {"notifications": [body(alice) for _ in range(20)]}
    answers = at_once(
        lambda caller, _: caller.post(PATH, rows, format="json", HTTP_IDEMPOTENCY_KEY="call-1")
    )
    assert [answer.status_code for answer in answers] == [202] * CALLS
    assert [answer.json() for answer in answers] == [answers[0].json()] * CALLS
    assert (Batch.objects.count(), Notification.objects.count()) == (1, 20)
