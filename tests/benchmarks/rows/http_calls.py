"""Delivery of queued messages by HTTP calls, with the latency of a distant provider."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.benchmarks import programs
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Line, Turn
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, compared
from tests.benchmarks.rows import queued
from tests.benchmarks.rows.watching import watched

WORKERS = 2
LEAST_RATIO = 0.8
OURS = "ours"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider that is called over HTTP.

    Attributes:
        noun: What it delivers.
        threads: Per process, the number of calls that ours has in flight at most.
    """

    name: str
    noun: str
    threads: int


# The threads are FcmProvider.threads and SendGridProvider.threads.
FCM = Provider(name="fcm", noun="push messages", threads=50)
SENDGRID = Provider(name="sendgrid", noun="mails over SendGrid", threads=16)


def push(bench: Bench, pace: Pace) -> list[Line]:
    """Compare push messages with the plain HTTP calls."""
    return _measure(bench, pace, FCM, count=pace.turn_pushes)


def sendgrid(bench: Bench, pace: Pace) -> list[Line]:
    """Compare mails over SendGrid with the plain HTTP calls."""
    return _measure(bench, pace, SENDGRID, count=pace.turn_calls)


def _measure(bench: Bench, pace: Pace, provider: Provider, *, count: int) -> list[Line]:
    pool = f"the same HTTP calls from two processes of {provider.threads} threads"
    contest: dict[str, Callable[[], Turn]] = {
        OURS: lambda: queued.deliver(bench, provider=provider.name, count=count, workers=WORKERS)
    }
    if not pace.alone:
        contest[pool] = lambda: _pool(bench, provider, count)
    found = alternate(contest, rounds=pace.rounds, turns=pace.delivery_turns)
    row = f"{count * pace.delivery_turns:,} queued {provider.noun}, {WORKERS} worker processes"
    line = compared(row, found, ours=OURS, against=pool)
    return [line if pace.alone else replace(line, least_ratio=LEAST_RATIO)]


def _pool(bench: Bench, provider: Provider, count: int) -> Turn:
    sink = bench.sinks[provider.name]
    words = ["--provider", provider.name, "--port", str(sink.port), "--messages", str(count)]
    words += ["--processes", str(WORKERS), "--threads", str(provider.threads)]
    sink.reset()
    return watched(
        sink,
        count,
        during=lambda: programs.run(bench, "http_pool", *words),
        groups=bench.groups(),
    )
