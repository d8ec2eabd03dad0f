"""Behaviour of billiard, the library below Celery, that a quick stop of a worker needs."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.pool import Worker
from django.conf import settings

from notifications_project import celery_worker


def test_a_child_waits_one_second_for_a_parent_that_stopped_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert celery_worker.__name__ in settings.CELERY_IMPORTS
    child: Any = Worker.__new__(Worker)
    child.on_ready_counter = SimpleNamespace(value=0)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)

    consumed = child._ensure_messages_consumed(completed=1)

    assert consumed is False
    assert sum(slept) == pytest.approx(1.0)
