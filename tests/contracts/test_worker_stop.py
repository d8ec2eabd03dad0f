"""What a quick stop of a worker relies on in the library below Celery."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.pool import Worker

import notifications_project.celery as project


def test_a_child_waits_a_second_for_a_parent_that_reads_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert project.app.main == "notifications_project"
    child: Any = Worker.__new__(Worker)
    child.on_ready_counter = SimpleNamespace(value=0)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)

    consumed = child._ensure_messages_consumed(completed=1)

    assert consumed is False
    assert sum(slept) == pytest.approx(1.0)
