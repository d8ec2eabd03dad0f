"""What a worker's process does when it begins and ends."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest
from celery import signals

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
def turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_lines_gather_from_its_first_and_none_is_missing_at_its_end(
    written: io.StringIO, turns: None
) -> None:
    signals.worker_process_init.send(sender=None)
    logging.getLogger("worker").info("said first")
    assert written.getvalue() == ""
    logging.getLogger("worker").info("said last")
    signals.worker_process_shutdown.send(sender=None)

    assert written.getvalue().splitlines() == ["said first", "said last"]


def test_its_threads_take_short_turns(written: io.StringIO, turns: None) -> None:
    signals.worker_process_init.send(sender=None)

    assert sys.getswitchinterval() == pytest.approx(worker.TURN_SECONDS)
