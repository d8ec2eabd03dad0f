"""The scheduler: the sweep and the jobs run in parallel, on connections that are kept open."""

import threading
from itertools import pairwise

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.notifications.batches.materialize import make_slice
from apps.notifications.broker import kept_connection
from apps.notifications.broker.kept_connection import IDLE_SECONDS, KeptConnection
from apps.notifications.models import Batch, BatchState, Notification
from apps.notifications.scheduler.jobs import LAST_WAIT_SECONDS, JobState, all_jobs
from apps.notifications.scheduler.loop import schedule_until
from apps.notifications.scheduler.sweep import sweep
from tests.fakes.proxy import Proxy
from tests.notifications.factories import accepted, make_overdue, person, template
from tests.notifications.lanes import Lanes

PATIENCE_SECONDS = 30


@pytest.mark.django_db(transaction=True)
def test_a_slow_job_does_not_delay_the_sweep_and_the_stop_waits_for_it(lanes: Lanes) -> None:
    template("welcome")
    row = accepted(person("alice"))
    make_overdue(row)
    stop, begun, go_on, done = (threading.Event() for _ in range(4))

    def slow() -> bool:
        begun.set()
        go_on.wait(PATIENCE_SECONDS)
        done.set()
        return False

    def schedule() -> None:
        try:
            schedule_until(stop, work=[slow])
        finally:
            connection.close()

    thread = threading.Thread(target=schedule)
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)
    # The job is still running while the row is woken.
    taken: list[str] = []
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 10):
        taken += lanes.ids()
        if taken:
            break
        pause.wait(0.1)
    assert taken == [str(row.pk)]
    stop.set()
    thread.join(timeout=1)
    assert thread.is_alive()
    go_on.set()
    thread.join(timeout=PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert done.is_set()
    assert not [found for found in threading.enumerate() if found.name == "jobs"]


def test_a_job_that_fails_is_retried_with_a_growing_delay() -> None:
    now, calls = [0.0], []
    broken = [True]

    def job() -> bool:
        calls.append(now[0])
        if broken[0]:
            raise RuntimeError
        return False

    patient = JobState(job, clock=lambda: now[0])
    while now[0] < 300:
        patient()
        now[0] += 0.5
    waits = [after - before for before, after in pairwise(calls)]
    assert waits[:7] == [0.5, 1, 2, 4, 8, 16, 32]
    assert set(waits[7:]) == {LAST_WAIT_SECONDS}
    broken[0] = False
    now[0] += 60
    patient()
    calls.clear()
    patient()
    assert len(calls) == 1


def a_running_batch() -> None:
    now = timezone.now()
    Batch.objects.create(
        client="shop", kind="live", body_digest=b"", state=BatchState.RUNNING, next_at=now
    )


@pytest.mark.services
@pytest.mark.django_db
def test_rounds_share_one_broker_connection_and_replace_it_when_it_fails(
    broker_proxy: Proxy, welcome: None, lanes: Lanes
) -> None:
    kept = KeptConnection()
    user = person("alice")
    for _ in range(5):
        make_overdue(accepted(user))
        assert sweep(kept=kept) == 1
        a_running_batch()
        make_slice(kept=kept)
    # The publisher of this process, which the intake uses, may have one more connection.
    publisher = broker_proxy.connections - 1
    assert publisher in {0, 1}
    broker_proxy.stop_serving()
    row = accepted(user)
    make_overdue(row)
    assert sweep(kept=kept) == 0
    broker_proxy.serve_again()
    before = broker_proxy.connections
    assert sweep(kept=kept) == 1
    assert sweep(kept=kept) == 0
    kept.close()
    assert 1 <= broker_proxy.connections - before <= 2
    assert Notification.objects.get(pk=row.pk).wakes == 1


@pytest.mark.services
@pytest.mark.django_db
def test_jobs_share_one_connection_to_the_broker(broker_proxy: Proxy) -> None:
    kept = KeptConnection()
    jobs = all_jobs(kept)
    for _ in range(5):
        a_running_batch()
        for job in jobs:
            job()
    kept.close()
    assert broker_proxy.connections == 1


def test_a_connection_is_replaced_after_any_error_of_its_caller() -> None:
    kept = KeptConnection()
    with kept.use() as first:
        pass
    with kept.use() as again:
        assert again is first
    with pytest.raises(RuntimeError), kept.use():
        raise RuntimeError
    with kept.use() as other:
        assert other is not first
    kept.close()


def test_a_connection_is_closed_before_the_broker_misses_its_heartbeats(lanes: Lanes) -> None:
    now = [100.0]
    kept = KeptConnection(clock=lambda: now[0])
    with kept.use() as first:
        first.connect()
    now[0] += IDLE_SECONDS - 0.1
    kept.close_idle()
    assert first.connected
    with kept.use() as again:
        assert again is first
    now[0] += IDLE_SECONDS
    kept.close_idle()
    assert not first.connected
    with kept.use() as other:
        assert other is not first
    kept.close()
    assert IDLE_SECONDS < 2 * settings.CELERY_BROKER_HEARTBEAT


def test_without_a_kept_connection_one_is_opened_for_each_use(lanes: Lanes) -> None:
    with kept_connection.use(None) as first:
        first.connect()
    assert not first.connected
