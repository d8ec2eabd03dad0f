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
from tests.common.redis.changer import CHANGES, COUNTS, THREADS, Count

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


def stored(name: str) -> Any:
    text: Any = redis.Redis.from_url(settings.REDIS_URL).get(f"{COUNTS.prefix}{name}")
    return json.loads(text) if text else None
