"""Latency of one mail, from the sending of its request until the sink has received it."""

from collections.abc import Callable
from dataclasses import replace

from tests.benchmarks import content, programs
from tests.benchmarks.bench import Bench
from tests.benchmarks.cpu import meter
from tests.benchmarks.figures import Line, Turn, counted
from tests.benchmarks.open_loop import offer
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, compared
from tests.benchmarks.rows.single import warm_up
from tests.benchmarks.stack import BenchStack
from tests.benchmarks.wrk import Target

MOST = {"p50": 0.05, "p99": 0.25}
LAST_SECONDS = 20
WORKERS = 2


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Send mails at a constant rate to a stack with the worker count of the queued-mail row."""
    with bench.stack(web=2, email=WORKERS) as stack:
        target = programs.ours(bench, stack)
        warm_up(bench, target)
        _settle(bench)
        go = _turn(bench, stack, target, pace)
        found = alternate({"ours": go}, rounds=pace.rounds, turns=1)
    row = f"one mail at {pace.offered:.0f}/s offered, {WORKERS} worker processes"
    return [replace(compared(row, found, ours="ours"), most=MOST)]


def _settle(bench: Bench) -> None:
    """Wait until the notifications of the warm-up have been delivered."""
    bench.smtp.wait_for(10**9, within=3)


def _turn(bench: Bench, stack: BenchStack, target: Target, pace: Pace) -> Callable[[], Turn]:
    def go() -> Turn:
        bench.smtp.reset()
        count = int(pace.offered * pace.seconds)

        def body(number: int) -> bytes:
            user = bench.audience.user(number)
            return content.encoded(content.request("email", user, f"latency-{number}"))

        meanwhile = meter(bench.groups(stack))
        sent, refused = offer(target, rate=pace.offered, count=count, body=body)
        bench.smtp.wait_for(count, within=LAST_SECONDS)
        used, taken = meanwhile(), bench.smtp.times()
        waits = [
            taken[f"latency-{number}"] - at
            for number, at in sent.items()
            if f"latency-{number}" in taken
        ]
        wrong = [*refused[:3]]
        if len(waits) != count:
            wrong.append(f"{count - len(waits)} of {count} did not arrive")
        return Turn(
            units=count, seconds=pace.seconds, waits=counted(waits), used=used, wrong=tuple(wrong)
        )

    return go
