"""Values that all processes share."""

import json
import os
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from apps.common.redis.shared_state import SharedState
from tests.common.redis.changer import CHANGES, COUNTS, THREADS, Count, add_one

pytestmark = pytest.mark.services

PROCESSES = 4


def test_many_concurrent_changes_are_all_kept_and_are_not_taken_for_an_outage() -> None:
    name = uuid4().hex
    command = [sys.executable, "-m", "tests.common.redis.changer", name]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "notifications_project.settings"}
    running = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603 - of this project.
        for _ in range(PROCESSES)
    ]
    output = [process.communicate(timeout=100)[0] for process in running]

    assert [process.returncode for process in running] == [0] * PROCESSES
    assert b"no Redis" not in b"".join(output)
    assert stored(name) == {"number": PROCESSES * THREADS * CHANGES}


def test_a_change_to_the_same_value_writes_nothing() -> None:
    name = uuid4().hex

    values = SharedState(COUNTS, consequence="no Redis").update(name, lambda same: same)

    assert values == (Count(), Count())
    assert stored(name) is None


def test_a_cached_value_is_the_one_that_this_process_read_or_wrote_last() -> None:
    name = uuid4().hex
    one, other = (SharedState(COUNTS, consequence="no Redis") for _ in range(2))
    assert one.read(name, cached_seconds=60) == Count()
    other.update(name, add_one)

    cached = one.read(name, cached_seconds=60)
    read = one.read(name)
    one.update(name, add_one)
    written = one.read(name, cached_seconds=60)

    assert [count.number for count in (cached, read, written)] == [0, 1, 2]


def test_an_exchange_changes_the_value_and_returns_what_the_change_gives() -> None:
    name = uuid4().hex
    store = SharedState(COUNTS, consequence="no Redis")

    answer = store.exchange(name, lambda count: (add_one(count), f"was {count.number}"))

    assert (answer, store.read(name)) == ("was 0", Count(number=1))


def stored(name: str) -> Any:
    text: Any = redis.Redis.from_url(settings.REDIS_URL).get(f"{COUNTS.prefix}{name}")
    return json.loads(text) if text else None
