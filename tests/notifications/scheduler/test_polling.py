"""While nothing is due a round costs one statement; the next round finds what became due."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.common.ids import new_id
from apps.notifications.broker.kept_connection import KeptConnection
from apps.notifications.models import (
    Batch,
    BatchState,
    DeadLetterReplay,
    Notification,
    ReplayState,
)
from apps.notifications.scheduler import polling
from apps.notifications.scheduler.jobs import DueJobs, all_jobs
from apps.notifications.scheduler.suspension import SuspensionDetector
from apps.notifications.scheduler.sweep import sweep
from apps.users.models import User
from tests.notifications.factories import accepted, make_overdue
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def batch(state: BatchState, *, due_in: timedelta | None) -> None:
    next_at = None if due_in is None else timezone.now() + due_in
    Batch.objects.create(client="c", kind="live", body_digest=b"", state=state, next_at=next_at)


def replay(state: ReplayState, *, due_in: timedelta) -> None:
    DeadLetterReplay.objects.create(
        state=state,
        next_at=timezone.now() + due_in,
        rate_per_second=1,
        last_letter_id=new_id(),
    )


def test_a_sweep_with_nothing_due_is_one_statement_and_asks_no_broker(
    alice: User, broker_unreachable: Callable[[], None], django_assert_num_queries: Any
) -> None:
    accepted(alice)
    Notification.objects.update(wake_at=timezone.now() + SECOND * 30)
    broker_unreachable()
    with django_assert_num_queries(1):
        assert sweep(awake=SuspensionDetector()) == 0


def test_a_row_is_taken_by_the_first_round_after_it_became_due(alice: User, lanes: Lanes) -> None:
    row = accepted(alice)
    Notification.objects.update(wake_at=timezone.now() + SECOND * 30)
    awake = SuspensionDetector()
    assert sweep(awake=awake) == 0
    make_overdue(row)
    assert sweep(awake=awake) == 1
    assert lanes.ids() == [str(row.pk)]


def test_the_time_of_a_poll_is_that_of_the_database(alice: User) -> None:
    due, now = polling.notifications_due()
    assert not due
    assert abs(now - timezone.now()) < SECOND * 10
    assert now.utcoffset() == timedelta(0)


def test_all_jobs_together_are_one_statement_while_nothing_is_due(
    django_assert_num_queries: Any,
) -> None:
    jobs = all_jobs(KeptConnection())
    for job in jobs:  # Those that run every hour or every few minutes run now.
        job()
    with django_assert_num_queries(1):
        for job in jobs:
            job()


@pytest.mark.parametrize("state", [BatchState.RECEIVING, BatchState.RUNNING, BatchState.CANCELLED])
def test_a_step_of_a_batch_is_found_when_it_is_due(state: BatchState) -> None:
    batch(state, due_in=SECOND * 30)
    assert not polling.jobs_due()
    Batch.objects.update(next_at=timezone.now())
    assert polling.jobs_due()


def test_a_batch_without_work_is_not_found() -> None:
    batch(BatchState.PAUSED, due_in=None)
    batch(BatchState.FINISHED, due_in=None)
    assert not polling.jobs_due()


def test_a_replay_is_found_while_it_runs_and_is_due() -> None:
    replay(ReplayState.CANCELLED, due_in=-SECOND)
    replay(ReplayState.RUNNING, due_in=SECOND * 30)
    assert not polling.jobs_due()
    replay(ReplayState.RUNNING, due_in=-SECOND)
    assert polling.jobs_due()


def test_a_job_that_fails_does_not_stop_the_jobs_beside_it() -> None:
    batch(BatchState.RUNNING, due_in=-SECOND)
    done: list[str] = []

    def broken() -> bool:
        done.append("broken")
        raise RuntimeError

    def works() -> bool:
        done.append("works")
        return True

    jobs = DueJobs(works, broken, works)
    assert jobs()
    assert done == ["works", "broken", "works"]
    # The broken one waits for its next try.
    assert jobs()
    assert done[3:] == ["works", "works"]
