"""The limits as the pipeline uses them: shared, cheap, and working without Redis."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import redis

from apps.notifications.broker.topology import Urgency
from apps.notifications.flow_control import breakers, limits
from apps.notifications.flow_control.limits import RequestClass, gate
from apps.notifications.flow_control.limits.bucket import Grant
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.providers.base import Reply

NORMAL = RequestClass()
BULK = RequestClass(urgency=Urgency.BULK)
TAKEN = Reply(outcome=Outcome.ACCEPTED)
SLOWER = Reply(outcome=Outcome.RATE_LIMITED)


@pytest.fixture
def name() -> str:
    """A provider that no other test knows."""
    return f"test-{uuid4().hex}"


@pytest.fixture
def limited(settings: Any, name: str) -> Callable[[float], str]:
    def limit(per_second: float) -> str:
        settings.PROVIDER_MAX_PER_SECOND = {name: per_second}
        return name

    return limit


def report(name: str, *replies: Reply) -> None:
    limits.report(name, replies, began=time.time())


def test_without_a_limit_all_calls_may_be_made(name: str) -> None:
    assert limits.take(name, wanted=100, request=BULK) == Grant(count=100)


def test_under_a_maximum_the_rest_waits_at_the_rate(limited: Callable[[float], str]) -> None:
    grant = limits.take(limited(30), wanted=100, request=RequestClass(urgency=Urgency.URGENT))

    assert grant.count == 30
    assert grant.wait_seconds == pytest.approx([place / 30 for place in range(1, 71)])


def test_a_provider_that_asks_for_fewer_calls_is_slowed_down_and_it_is_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    limits.take(name, wanted=100, request=NORMAL)
    report(name, *[SLOWER] * 40, *[TAKEN] * 60)

    shown = limits.shown(name)
    assert shown.slowed
    assert shown.per_second == 50
    assert limits.take(name, wanted=100, request=RequestClass(urgency=Urgency.URGENT)).count == 50
    assert "provider asks for fewer calls" in caplog.text
    assert name in caplog.text


def test_the_first_cut_counts_the_replies_since_the_last_report(name: str) -> None:
    report(name, TAKEN)
    report(name, *[TAKEN] * 50)
    report(name, *[SLOWER] * 10)

    assert limits.shown(name).per_second == 30


def test_an_answer_that_ends_the_session_asks_for_fewer_calls(name: str) -> None:
    report(name, Reply(outcome=Outcome.TRANSIENT, code="421", reason="service_closing"))

    assert limits.shown(name).per_second == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(outcome=Outcome.TRANSIENT, reason="greylisted"),
        Reply(outcome=Outcome.UNKNOWN),
        Reply(outcome=Outcome.CONFIGURATION),
        Reply(outcome=Outcome.REJECTED),
    ],
)
def test_other_replies_do_not_lower_the_rate(name: str, reply: Reply) -> None:
    report(name, *[reply] * 20)

    assert limits.shown(name).per_second is None


def test_a_provider_that_wants_no_call_is_paused(name: str) -> None:
    report(name, Reply(outcome=Outcome.RATE_LIMITED, pause_seconds=20))

    grant = limits.take(name, wanted=2, request=NORMAL)

    assert (grant.count, grant.paused) == (0, True)
    assert min(grant.wait_seconds) >= 19
    assert limits.shown(name).paused_until is not None


def test_staff_can_lift_what_a_provider_asked_for(name: str) -> None:
    report(name, Reply(outcome=Outcome.RATE_LIMITED, pause_seconds=20))

    limits.lift(name)

    assert limits.take(name, wanted=100, request=NORMAL).count == 100
    assert not limits.shown(name).slowed


def cost_per_notification(name: str) -> float:
    """Admit and report chunks of a hundred as the pipeline does; return seconds a notification."""
    replies = [TAKEN] * 100
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(20):
            breakers.admit(name, wanted=100)
            limits.take(name, wanted=100, request=BULK)
            breakers.report(name, breakers.tally(replies))
            limits.report(name, replies, began=started)
        best = min(best, (time.perf_counter() - started) / (20 * 100))
    return best


@pytest.mark.parametrize("per_second", [None, 5000.0, 2.0], ids=["unlimited", "fast", "slow"])
def test_breaker_and_limit_together_cost_little(
    limited: Callable[[float], str], name: str, per_second: float | None
) -> None:
    if per_second is not None:
        limited(per_second)

    # A tenth of a millisecond for each notification of a chunk is the limit of both together.
    assert cost_per_notification(name) < 0.0001


@contextmanager
def no_redis() -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    with pytest.MonkeyPatch.context() as wire:
        wire.setattr(redis.connection.ConnectionPool, "get_connection", refuse)
        yield


@pytest.mark.services
def test_workers_share_the_tokens(limited: Callable[[float], str]) -> None:
    name = limited(40)
    urgent = RequestClass(urgency=Urgency.URGENT)

    with ThreadPoolExecutor(8) as pool:
        grants = list(pool.map(lambda _: limits.take(name, wanted=20, request=urgent), range(8)))

    assert 40 <= sum(grant.count for grant in grants) <= 42
    # Each message that waits has a time of its own, whichever worker asked.
    waits = sorted(wait for grant in grants for wait in grant.wait_seconds)
    assert waits[-1] - waits[0] > 2.5


@pytest.mark.services
def test_another_process_slows_down_soon(name: str) -> None:
    report(name, *[SLOWER] * 100)
    slowed = limits.shown(name)

    gate.forget()

    assert limits.shown(name) == slowed
    assert limits.take(name, wanted=100, request=NORMAL).count < 100


@pytest.mark.services
def test_without_redis_each_process_has_the_limit_for_itself(
    limited: Callable[[float], str],
) -> None:
    name = limited(10)
    with no_redis():
        report(name, *[SLOWER] * 10)

        assert limits.take(name, wanted=100, request=NORMAL).count < 10
