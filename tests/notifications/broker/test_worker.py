"""What a worker process does at its start and at its end."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest
from celery import signals
from django.conf import settings

from apps.common.logs import BufferingHandler
from apps.notifications.broker import worker


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
    written: io.StringIO, switch_interval: None
) -> None:
    signals.worker_process_init.send(sender=None)
    logging.getLogger("worker").info("said first")
    assert written.getvalue() == ""
    logging.getLogger("worker").info("said last")
    signals.worker_process_shutdown.send(sender=None)

    assert written.getvalue().splitlines() == ["said first", "said last"]


def test_threads_of_a_worker_use_a_short_switch_interval(
    written: io.StringIO, switch_interval: None
) -> None:
    signals.worker_process_init.send(sender=None)

    assert sys.getswitchinterval() == pytest.approx(worker.POLL_SECONDS)


def test_every_worker_but_the_embedded_one_sends_events_for_flower() -> None:
    assert settings.CELERY_WORKER_SEND_TASK_EVENTS is not settings.EMBEDDED
