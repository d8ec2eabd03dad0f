"""Processes of this project die, are suspended, are missing, or run twice."""

import itertools
import signal
import time
from collections.abc import Callable
from typing import Any

from kombu import Connection

from apps.common.channels import Channel
from apps.notifications.broker import topology
from tests.chaos import bulk
from tests.chaos.copies import (
    CALLS_IN_FLIGHT,
    CHUNKS_IN_FLIGHT,
    Harm,
    killed,
    slept_alone,
    slept_together,
)
from tests.chaos.environment import Environment
from tests.chaos.family import signal_family
from tests.chaos.faults.registry import fault
from tests.chaos.load import REFUSED
from tests.chaos.stack import SCHEDULER, WORKERS, celery
from tests.journeys.http import until

KILL_EVERY_SECONDS = 4.0
# By then a lease of 60 s has expired, and the sweep has checked it.
PAST_THE_LEASE_SECONDS = 70.0
UNDER_WAY_SECONDS = 30.0
# Long enough for one round of the sweep, shorter than the pause between two rounds.
SWEEP_FIRST_SECONDS = 0.3
# Mails and push messages in addition to the load, so that full chunks are in flight.
BULK = 1000
UNDER_WAY = 150
KILLED = killed(
    "a worker died within a second after the provider's acceptance, before the record of it: what "
    "it held was a chunk, or two of push, at most"
)
SLEPT = slept_alone(
    "the one worker that knew of an acceptance slept past its lease, so another sent what had not "
    "been recorded; or a call of its own went on when it woke: a chunk at most"
)
SLEPT_TOGETHER = slept_together(
    "a call that all slept through went on when they woke, after its lease; mails that were "
    "answered before that have none: 8 calls a worker process for mail, 50 for push"
)


@fault(says="nothing goes wrong: what the other rows are compared with", seconds=10)
def nothing(environment: Environment, seconds: float) -> None:
    """Change nothing."""
    time.sleep(seconds)


def _kill(environment: Environment, worker: str, kill: Callable[[str], None]) -> None:
    """Kill a worker and record when: that explains copies of messages it had just sent."""
    since = time.time()
    kill(worker)
    if worker == topology.WEBHOOKS.name:
        return
    channel = Channel(worker.partition("-")[0])
    environment.harms.append(
        Harm(
            channels=frozenset({channel}),
            at_most=CHUNKS_IN_FLIGHT[channel],
            since=since,
            until=time.time(),
        )
    )


@fault(says="every worker killed with -9, again and again", seconds=20, copies=KILLED)
def worker_killed(environment: Environment, seconds: float) -> None:
    """Kill whole workers and, every other time, only the child that does the work."""
    end = time.monotonic() + seconds
    for number in itertools.count():
        for worker in WORKERS:
            if number % 2:
                _kill(environment, worker, environment.stack.kill_children)
            else:
                _kill(environment, worker, environment.stack.kill)
        if time.monotonic() + KILL_EVERY_SECONDS > end:
            break
        time.sleep(KILL_EVERY_SECONDS)


@fault(says="the web processes killed with -9, again and again")
def web_killed(environment: Environment, seconds: float) -> None:
    """Kill the web server with its children, and every other time only the children."""
    end = time.monotonic() + seconds
    for number in itertools.count():
        if number % 2:
            environment.stack.kill_children("web")
        else:
            environment.stack.kill("web")
        if time.monotonic() + KILL_EVERY_SECONDS > end:
            break
        time.sleep(KILL_EVERY_SECONDS)


@fault(
    says="no scheduler, while workers are killed and every message on the broker is lost",
    copies=KILLED,
)
def scheduler_absent(environment: Environment, seconds: float) -> None:
    """Stop the process that finds rows again, and cause much work for it."""
    with environment.stack.without("scheduler"):
        time.sleep(seconds / 3)
        for worker in ("email", "push"):
            _kill(environment, worker, environment.stack.kill)
        # Messages accumulate while there is no consumer.
        time.sleep(1)
        _lose_messages(environment)
        time.sleep(seconds * 2 / 3)


def _lose_messages(environment: Environment) -> None:
    channel: Any
    with Connection(environment.rabbitmq.url) as connection, connection.channel() as channel:
        for name in topology.LANES:
            channel.queue_purge(name)


@fault(says="two schedulers beside each other, and messages on the broker lost")
def two_schedulers(environment: Environment, seconds: float) -> None:
    """Let two sweeps search for the same rows until all have been found."""
    environment.afterwards.enter_context(environment.stack.beside(*SCHEDULER))
    with environment.stack.without("email", "push"):
        # Messages accumulate while there is no consumer.
        time.sleep(seconds / 3)
        _lose_messages(environment)
    time.sleep(seconds * 2 / 3)


def _under_way(environment: Environment) -> None:
    """Request many mails and push messages, and wait until some of both have been sent."""
    before = len(environment.smtp.copies), len(environment.fcm.copies)
    for channel in Channel:
        bulk.request_many(environment, channel, BULK)

    def gone_out() -> bool:
        mails, pushes = (
            len(environment.smtp.copies) - before[0],
            len(environment.fcm.copies) - before[1],
        )
        return min(mails, pushes) >= UNDER_WAY

    until(gone_out, within=UNDER_WAY_SECONDS, what="mails and push messages to be under way")


@fault(
    says="all processes of the stack stopped for longer than a lease, as on a frozen machine",
    seconds=PAST_THE_LEASE_SECONDS,
    copies=SLEPT_TOGETHER,
)
def all_paused(environment: Environment, seconds: float) -> None:
    """Suspend the whole stack while many chunks are in flight, and resume it."""
    _under_way(environment)
    scheduler = environment.stack.pid("scheduler")
    assert scheduler is not None
    since = time.time()
    environment.stack.freeze()
    try:
        time.sleep(seconds)
        # They resume in any order. In the worst case the sweep finds expired leases before workers
        # have recorded what they know.
        signal_family(scheduler, signal.SIGCONT)
        time.sleep(SWEEP_FIRST_SECONDS)
    finally:
        woken = time.time()
        environment.stack.thaw()
    # Each channel has a worker for its urgent lane and one for the other two lanes.
    calls = 2 * sum(CALLS_IN_FLIGHT.values())
    environment.harms.append(
        Harm(channels=frozenset(Channel), at_most=calls, since=since, until=woken)
    )


@fault(
    says="one worker for mail stopped for longer than a lease, while another has its lanes too",
    seconds=PAST_THE_LEASE_SECONDS,
    copies=SLEPT,
)
def worker_paused(environment: Environment, seconds: float) -> None:
    """Suspend one of two workers while it has a chunk in flight, and resume it."""
    worker = celery("email", "email.bulk", name="email-beside")
    with environment.stack.beside(*worker):
        _under_way(environment)
        pid = environment.stack.pid("email")
        assert pid is not None
        since = time.time()
        signal_family(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            woken = time.time()
            signal_family(pid, signal.SIGCONT)
        environment.harms.append(
            Harm(
                channels=frozenset({Channel.EMAIL}),
                at_most=CHUNKS_IN_FLIGHT[Channel.EMAIL],
                since=since,
                until=woken,
            )
        )


@fault(
    says="web and workers restarted one after the other (SIGTERM), in the midst of many chunks",
    seconds=20,
    errors=frozenset({REFUSED}),
)
def rolling_restart(environment: Environment, seconds: float) -> None:
    """Restart them as an operator would, twice if there is time."""
    _under_way(environment)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for program in ("web", *WORKERS):
            environment.stack.restart(program)
