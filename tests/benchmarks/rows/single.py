"""Single requests: requests per second and the duration of each request."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from tests.benchmarks import programs, wrk
from tests.benchmarks.bench import Bench
from tests.benchmarks.cpu import meter
from tests.benchmarks.database import since
from tests.benchmarks.figures import Line, Turn
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import Found, alternate, compared
from tests.benchmarks.wrk import Target

WEB_PROCESSES = 2
CONNECTIONS = (16, 64)
WARM_UP_SECONDS = 3
P99_SECONDS = 0.1
OURS, BARE, GATEWAY = "ours", "bare Django view", "FastAPI, asyncpg, aio-pika"
LEAST = {BARE: 0.7, GATEWAY: 1.2}


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Compare with both baselines without workers; then measure again with workers that deliver."""
    return [*_accepting(bench, pace), *_delivering(bench, pace)]


def turn_of(
    bench: Bench, target: Target, *, seconds: float, connections: int
) -> Callable[[], Turn]:
    """Return a function that runs one turn of one contender."""

    def go() -> Turn:
        bench.clean()
        used = meter({**bench.groups(), **target.processes})
        written = since(bench.url(bench.database))
        answers = wrk.post(target, connections=connections, seconds=seconds, folder=bench.folder)
        return answers.turn(replace(used(), units=answers.requests, bytes=written()))

    return go


def warm_up(bench: Bench, *targets: Target) -> None:
    """Let every thread open its connection and fill its caches."""
    for target in targets:
        wrk.post(target, connections=64, seconds=WARM_UP_SECONDS, folder=bench.folder)


def _accepting(bench: Bench, pace: Pace) -> list[Line]:
    with ExitStack() as running:
        stack = running.enter_context(bench.stack(web=WEB_PROCESSES))
        targets = {OURS: programs.ours(bench, stack)}
        if not pace.alone:
            enter = running.enter_context
            targets[BARE] = enter(programs.bare_django(bench, web=WEB_PROCESSES))
            targets[GATEWAY] = enter(programs.fastapi_gateway(bench, web=WEB_PROCESSES))
        warm_up(bench, *targets.values())
        lines: list[Line] = []
        for connections in CONNECTIONS:
            contest = {
                name: turn_of(bench, target, seconds=pace.turn_seconds, connections=connections)
                for name, target in targets.items()
            }
            found = alternate(contest, rounds=pace.rounds, turns=pace.turns)
            lines += _lines(f"single, {connections} connections", found)
    return lines


def _lines(row: str, found: Found) -> Sequence[Line]:
    most = {"p99": P99_SECONDS}
    if len(found) == 1:
        return [replace(compared(row, found, ours=OURS), most=most)]
    return [
        replace(
            compared(row, found, ours=OURS, against=name),
            least_ratio=least,
            most=most if name == BARE else {},
            note="no workers on either side",
        )
        for name, least in LEAST.items()
    ]


def _delivering(bench: Bench, pace: Pace) -> list[Line]:
    lines = []
    with bench.stack(web=WEB_PROCESSES, email=1) as stack:
        target = programs.ours(bench, stack)
        warm_up(bench, target)
        for connections in CONNECTIONS:
            go = turn_of(bench, target, seconds=pace.seconds, connections=connections)
            found = alternate({OURS: go}, rounds=pace.rounds, turns=1)
            lines.append(
                replace(
                    compared(f"single, {connections} connections, delivering", found, ours=OURS),
                    most={"p99": P99_SECONDS},
                    note="one worker process delivers meanwhile",
                )
            )
    return lines
