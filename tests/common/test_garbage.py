"""Each process that serves leaves what it has loaded out of the garbage collections to come."""

import gc
import importlib
import signal
import sys
import threading
import types
from collections.abc import Iterator

import pytest
from celery import signals
from django.core.management import call_command

from apps.common import garbage
from apps.notifications.broker import worker
from apps.notifications.management.commands import run_scheduler
from apps.notifications.operations.heartbeat import HeartbeatThread


class Ring:
    """An object that only a collection deletes: it refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_loaded_is_not_read_by_later_collections() -> None:
    loaded = Ring()
    garbage.settle()
    assert gc.get_freeze_count() > 10_000
    assert not any(each is loaded for each in gc.get_objects())


def test_what_comes_later_is_still_deleted() -> None:
    garbage.settle()
    for _ in range(3):
        Ring()
    assert gc.collect() >= 3


def test_rows_of_one_step_are_not_collected_again_and_again() -> None:
    garbage.settle()
    assert gc.get_threshold()[0] == garbage.YOUNGEST_OBJECTS


def test_a_web_process_settles_when_its_application_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The module that would start the process's threads.
    loaded = types.ModuleType("notifications_project.wsgi")
    monkeypatch.setattr(loaded, "application", None, raising=False)
    monkeypatch.setitem(sys.modules, loaded.__name__, loaded)
    monkeypatch.delitem(sys.modules, "notifications_project.server", raising=False)
    importlib.import_module("notifications_project.server")
    assert gc.get_freeze_count() > 10_000


def test_a_worker_settles_before_its_children_are_forked() -> None:
    assert worker
    signals.celeryd_after_setup.send(sender="email@host", instance=None, conf=None)
    assert gc.get_freeze_count() > 10_000


def test_a_scheduler_settles_before_its_first_round(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def look(stop: threading.Event) -> None:
        found.append(gc.get_freeze_count())

    monkeypatch.setattr(run_scheduler, "schedule_until", look)
    monkeypatch.setattr(HeartbeatThread, "start", lambda _: None)
    monkeypatch.setattr(HeartbeatThread, "stop", lambda _: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    call_command("run_scheduler", skip_checks=True)
    assert found[0] > 10_000
