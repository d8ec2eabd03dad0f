"""The same work with 1, 2 and 4 workers of each kind, and with 1 and 2 web processes."""

from collections.abc import Callable

from tests.benchmarks import programs
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Line, Turn
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, compared
from tests.benchmarks.rows import queued
from tests.benchmarks.rows.single import turn_of, warm_up

WORKERS = (1, 2, 4)
WEB_PROCESSES = (1, 2)
CONNECTIONS = 16


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Compare each number of processes with one process."""
    return [
        *_of("mail", "worker", pace, {n: _mails(bench, pace, n) for n in WORKERS}),
        *_of("push", "worker", pace, {n: _pushes(bench, pace, n) for n in WORKERS}),
        *_of("single requests", "web", pace, {n: _requests(bench, pace, n) for n in WEB_PROCESSES}),
    ]


def _of(work: str, kind: str, pace: Pace, by_count: dict[int, Callable[[], Turn]]) -> list[Line]:
    one = f"one {kind} process"
    contest = {one if number == 1 else str(number): go for number, go in by_count.items()}
    # One turn in a round: every turn starts a stack of its own, which takes as long as the work.
    found = alternate(contest, rounds=pace.rounds, turns=1)
    return [
        compared(f"{work}, 1 {kind} process", found, ours=one),
        *(
            compared(f"{work}, {number} {kind} processes", found, ours=number, against=one)
            for number in found
            if number != one
        ),
    ]


def _mails(bench: Bench, pace: Pace, workers: int) -> Callable[[], Turn]:
    return lambda: queued.deliver(bench, provider="smtp", count=pace.mails, workers=workers)


def _pushes(bench: Bench, pace: Pace, workers: int) -> Callable[[], Turn]:
    return lambda: queued.deliver(bench, provider="fcm", count=pace.turn_pushes, workers=workers)


def _requests(bench: Bench, pace: Pace, web: int) -> Callable[[], Turn]:
    def go() -> Turn:
        with bench.stack(web=web) as stack:
            target = programs.ours(bench, stack)
            warm_up(bench, target)
            return turn_of(bench, target, seconds=pace.seconds, connections=CONNECTIONS)()

    return go
