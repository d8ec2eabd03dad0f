"""What a quick stop of a worker relies on in the library below Celery."""

import time
from types import SimpleNamespace
from typing import Any

from billiard.pool import Worker

import notifications_project.celery as project


def test_a_child_does_not_wait_long_for_a_parent_that_reads_no_more() -> None:
    assert project.app.main == "notifications_project"
    child: Any = Worker.__new__(Worker)
    child.on_ready_counter = SimpleNamespace(value=0)
    started = time.monotonic()

    consumed = child._ensure_messages_consumed(completed=1)

    assert consumed is False
    assert 0.5 < time.monotonic() - started < 3
