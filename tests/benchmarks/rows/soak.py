"""A soak test at 60 % of the maximum rate: memory, losses, latency."""

from dataclasses import replace
from threading import Thread
from time import monotonic, sleep

from tests.benchmarks import programs, wrk
from tests.benchmarks.bench import Bench
from tests.benchmarks.cpu import memory_mb, meter
from tests.benchmarks.figures import Line, Reading, blamed
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import summed
from tests.benchmarks.rows.single import P99_SECONDS, warm_up
from tests.benchmarks.stack import BenchStack
from tests.benchmarks.wrk import Target

SHARE = 0.6
CONNECTIONS = 64
WORKERS = 2
TOP_SECONDS = 15
# Memory is compared after this share: by then every thread has its connections and caches.
SETTLED_SHARE = 0.3
SAMPLE_SECONDS = 5
# The growth of a process after that which still counts as no growth.
FLAT_MB, FLAT_SHARE = 15.0, 0.05
SILENCE_SECONDS = 90


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Find the maximum rate from request to SMTP, then keep up 60 % of it."""
    with bench.stack(web=2, email=WORKERS) as stack:
        target = programs.ours(bench, stack)
        warm_up(bench, target)
        bench.smtp.wait_for(10**9, within=5)
        top, delay_ms = _top(bench, target)
        reading, note = _kept(bench, stack, target, pace, delay_ms=delay_ms)
    return [
        Line(
            row=f"{pace.minutes:g} minutes at 60 % of the top rate ({top:,.0f}/s, request to SMTP)",
            ours=reading,
            most={"p99": P99_SECONDS},
            note=note,
        )
    ]


def _top(bench: Bench, target: Target) -> tuple[float, float]:
    """Return the maximum rate, and the pause of each caller in ms that gives 60 % of it.

    The rate is measured until the last mail is received, so that it is the rate of requests that
    are both accepted and delivered.
    """
    bench.smtp.reset()
    answers = wrk.post(target, connections=CONNECTIONS, seconds=TOP_SECONDS, folder=bench.folder)
    taken = bench.smtp.wait_for(answers.requests, within=SILENCE_SECONDS)
    top = taken.rate
    return top, 1000 * CONNECTIONS / (SHARE * top)


def _kept(
    bench: Bench, stack: BenchStack, target: Target, pace: Pace, *, delay_ms: float
) -> tuple[Reading, str]:
    bench.smtp.reset()
    groups = {name: pid for name, pid in bench.groups(stack).items() if not name.endswith("sink")}
    samples: list[dict[str, float]] = []
    until = monotonic() + 60 * pace.minutes

    def watch() -> None:
        while monotonic() < until:
            samples.append({name: memory_mb(pid) for name, pid in groups.items()})
            sleep(SAMPLE_SECONDS)

    watcher = Thread(target=watch, daemon=True)
    meanwhile = meter(groups)
    watcher.start()
    answers = wrk.post(
        target,
        connections=CONNECTIONS,
        seconds=60 * pace.minutes,
        folder=bench.folder,
        delay_ms=delay_ms,
    )
    used = replace(meanwhile(), units=answers.requests)
    watcher.join(2 * SAMPLE_SECONDS)
    taken = bench.smtp.wait_for(answers.requests, within=SILENCE_SECONDS)
    wrong = []
    # wrk closes its connections when its time is over: its last requests may have been accepted.
    if not answers.requests <= taken.distinct <= answers.requests + CONNECTIONS:
        wrong.append(f"{answers.requests} were accepted and {taken.distinct} mails came")
    grown = _grown(samples)
    wrong += [f"memory of {name} grew by {mb:.0f} MB" for name, mb in grown.items()]
    reading = summed([blamed(answers.turn(used), *wrong)])
    return reading, memory_words(samples)


def settled(samples: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return the samples after the time in which memory should have stopped growing."""
    return samples[int(len(samples) * SETTLED_SHARE) :]


def _grown(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return our processes that kept growing after the settling time, with the growth in MB."""
    later = settled(samples)
    servers = {"postgresql", "rabbitmq", "redis"}  # They keep data on purpose.
    found = {}
    for name in later[0].keys() - servers if later else ():
        begin, end = later[0][name], later[-1][name]
        if end - begin > max(FLAT_MB, FLAT_SHARE * begin):
            found[name] = end - begin
    return found


def memory_words(samples: list[dict[str, float]]) -> str:
    """Format the memory of each kind of process: at the start, settled, at the end."""
    if not samples:
        return ""
    middle = settled(samples)[0]
    return "MB at the start, settled, at the end: " + ", ".join(
        f"{name} {samples[0][name]:.0f}, {middle[name]:.0f}, {samples[-1][name]:.0f}"
        for name in samples[0]
    )
