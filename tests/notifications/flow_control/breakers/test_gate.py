"""Breakers as the pipeline uses them: shared in Redis, cheap while closed, local without it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from apps.common.redis.shared_state import LocalValues, RedisValues
from apps.notifications.flow_control import breakers
from apps.notifications.flow_control.breakers import Forced, State, Tally
from apps.notifications.flow_control.breakers.circuit import PROBES
from apps.notifications.flow_control.breakers.store import CIRCUITS

FAILING = Tally(successes=0, failures=20, fatal="")
FINE = Tally(successes=20, failures=0, fatal="")


@pytest.fixture
def name() -> str:
    """A breaker name that no other test uses."""
    return f"test-{uuid4().hex}"


def test_failures_open_a_breaker_and_nothing_is_admitted(name: str) -> None:
    assert breakers.admit(name, wanted=100).count == 100

    breakers.report(name, FAILING)

    assert breakers.shown(name).state is State.OPEN
    assert breakers.admit(name, wanted=100).count == 0


def test_a_breaker_forced_open_admits_nothing_until_it_is_set_to_auto(name: str) -> None:
    breakers.force([name], Forced.OPEN)
    shut = breakers.admit(name, wanted=5).count
    breakers.force([name], Forced.AUTO)

    assert (shut, breakers.admit(name, wanted=5).count) == (0, 5)


def test_a_check_and_a_report_cost_little_while_the_breaker_is_closed(name: str) -> None:
    breakers.admit(name, wanted=1)
    breakers.report(name, FINE)
    # CPU time of this process, because the machine may be busy.
    started = time.process_time()
    for _ in range(1000):
        breakers.admit(name, wanted=100)
        breakers.report(name, FINE)
    seconds = time.process_time() - started

    # A thousand chunks of a hundred rows; the limit is a hundred microseconds per notification.
    assert seconds / (1000 * 100) < 0.0001


def test_concurrent_changes_are_all_stored() -> None:
    store = LocalValues(CIRCUITS)
    barrier = threading.Barrier(8)

    def count(_: int) -> None:
        barrier.wait(5)
        for _ in range(50):
            store.update("x", lambda circuit: breakers.Circuit(successes=circuit.successes + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert store.read("x").successes == 400


@pytest.mark.services
def test_concurrent_changes_in_redis_are_all_stored(name: str) -> None:
    def count(_: int) -> None:
        store = RedisValues(redis.Redis.from_url(settings.REDIS_URL), CIRCUITS)
        for _ in range(20):
            store.update(name, lambda circuit: breakers.Circuit(successes=circuit.successes + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert (
        RedisValues(redis.Redis.from_url(settings.REDIS_URL), CIRCUITS).read(name).successes == 80
    )


@pytest.mark.services
def test_workers_share_the_probes(name: str) -> None:
    breakers.report(name, FAILING)
    store = RedisValues(redis.Redis.from_url(settings.REDIS_URL), CIRCUITS)
    store.update(
        name, lambda circuit: replace(circuit, state=State.OPEN, changed_at=time.time() - 60)
    )

    with ThreadPoolExecutor(8) as pool:
        going = list(pool.map(lambda _: breakers.admit(name, wanted=10).count, range(8)))

    assert sum(going) == PROBES


@pytest.mark.services
def test_without_redis_each_process_has_its_own_breakers(name: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    with pytest.MonkeyPatch.context() as wire:
        wire.setattr(redis.connection.ConnectionPool, "get_connection", refuse)
        breakers.report(name, FAILING)

        assert breakers.admit(name, wanted=3).count == 0


@pytest.mark.services
def test_a_forced_state_has_no_ttl(name: str) -> None:
    breakers.force([name], Forced.OPEN)
    kept = redis.Redis.from_url(settings.REDIS_URL)
    assert kept.ttl(CIRCUITS.prefix + name) == -1

    breakers.force([name], Forced.AUTO)

    assert kept.ttl(CIRCUITS.prefix + name) > 0
