"""Delivery of queued push messages with the latency of a distant provider."""

from collections.abc import Callable

from tests.benchmarks import programs
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Line, Turn
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, median, ratios
from tests.benchmarks.rows import queued
from tests.benchmarks.rows.watching import watched

WORKERS = 2
# Per process, the number of requests that ours has in flight: FcmProvider.threads.
THREADS = 50
LEAST_RATIO = 0.8
OURS, CEILING = "ours", f"the same HTTP calls from two processes of {THREADS} threads"


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Compare with the plain HTTP calls."""
    contest: dict[str, Callable[[], Turn]] = {
        OURS: lambda: queued.deliver(bench, channel="push", count=pace.turn_pushes, workers=WORKERS)
    }
    if not pace.alone:
        contest[CEILING] = lambda: _pool(bench, pace)
    found = alternate(contest, rounds=pace.rounds, turns=pace.turns)
    return [
        Line(
            row=f"{pace.pushes:,} queued push messages, {WORKERS} worker processes",
            ours=median(found[OURS]),
            against="" if pace.alone else CEILING,
            ceiling=None if pace.alone else median(found[CEILING]),
            ratios=() if pace.alone else ratios(found[OURS], found[CEILING]),
            least_ratio=None if pace.alone else LEAST_RATIO,
        )
    ]


def _pool(bench: Bench, pace: Pace) -> Turn:
    words = ["--port", str(bench.fcm.port), "--messages", str(pace.turn_pushes)]
    words += ["--processes", str(WORKERS), "--threads", str(THREADS)]
    bench.fcm.reset()
    return watched(
        bench.fcm,
        pace.turn_pushes,
        during=lambda: programs.run(bench, "push_pool", *words),
        groups=bench.groups(),
    )
