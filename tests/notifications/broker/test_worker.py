"""What a worker process does at its start and at its end."""

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app, signals
from celery.app.amqp import Queues
from django.conf import settings

from apps.common.logs import BufferingHandler
from apps.notifications.broker import topology, worker
from apps.webhooks.delivery import dispatcher


@pytest.fixture
def consumed() -> Iterator[Queues]:
    """The queues that a worker of this process would consume; those of mails at first."""
    queues: Any = current_app.amqp.queues
    queues.select(["email", "email.bulk"])
    yield queues
    queues._consume_from = None


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    handler, stream = BufferingHandler(), io.StringIO()
    handler.setStream(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


@pytest.fixture
def switch_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_log_lines_are_buffered_from_the_start_and_all_are_written_at_the_end(
    consumed: Queues, written: io.StringIO, switch_interval: None
) -> None:
    signals.worker_process_init.send(sender=None)
    logging.getLogger("worker").info("said first")
    assert written.getvalue() == ""
    logging.getLogger("worker").info("said last")
    signals.worker_process_shutdown.send(sender=None)

    assert written.getvalue().splitlines() == ["said first", "said last"]


def test_threads_of_a_worker_use_a_short_switch_interval(
    consumed: Queues, written: io.StringIO, switch_interval: None
) -> None:
    signals.worker_process_init.send(sender=None)

    assert sys.getswitchinterval() == pytest.approx(worker.POLL_SECONDS)


@pytest.mark.parametrize(
    ("lanes", "expected"),
    [(["email", "email.bulk"], []), ([topology.WEBHOOKS.name], ["started", "stopped"])],
)
def test_only_a_worker_of_the_webhooks_delivers_them(
    lanes: list[str],
    expected: list[str],
    consumed: Queues,
    switch_interval: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(dispatcher, "of_this_process", lambda: done.append("started"))
    monkeypatch.setattr(dispatcher, "stop_of_this_process", lambda: done.append("stopped"))
    consumed.select(lanes)

    signals.worker_process_init.send(sender=None)
    signals.worker_process_shutdown.send(sender=None)

    assert done == expected


def test_every_worker_but_the_embedded_one_sends_events_for_flower() -> None:
    assert settings.CELERY_WORKER_SEND_TASK_EVENTS is not settings.EMBEDDED
