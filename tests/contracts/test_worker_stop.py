"""Behaviour of billiard and Celery that a quick stop of a worker, and a quiet one, need."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.pool import Worker
from celery.worker.consumer.heart import Heart
from django.conf import settings

from apps.notifications.operations.heartbeat import BEAT_SECONDS
from notifications_project import app, celery_worker


def test_a_worker_tells_flower_as_often_as_the_database_that_it_is_alive() -> None:
    worker: Any = app.WorkController(app=app, pool_cls="solo", queues=["email"])
    heart: Any
    (heart,) = [step for step in worker.consumer.steps if isinstance(step, Heart)]

    assert heart.heartbeat_interval == BEAT_SECONDS
    assert type(worker.consumer) is celery_worker.Consumer


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
