"""Outgoing limits: the rate that is kept, and the rate that is found by the provider's refusals."""

from tests.benchmarks import content, programs
from tests.benchmarks.bench import Bench
from tests.benchmarks.cpu import meter
from tests.benchmarks.figures import Line, Reading, counted, percentiles
from tests.benchmarks.open_loop import offer
from tests.benchmarks.pace import Pace
from tests.benchmarks.rows import bulk
from tests.benchmarks.stack import BenchStack

WORKERS = 2
# Bulk mails under a configured maximum, with urgent ones each second in between.
MAXIMUM_PER_SECOND, KEPT_MAILS = 40, 800
MOST_URGENT = {"p50": 0.2}
# Bulk mails to a server that refuses the calls beyond its own limit, without a maximum.
SERVER_PER_SECOND, FOUND_MAILS, LEAST_FOUND = 60, 2500, 40.0
# Longer than the pause between the attempts of a mail that was refused several times.
SILENCE_SECONDS = 150


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Send bulk mails under a maximum of ours, and then under a limit of the server."""
    settings = {"SMTP_MAX_PER_SECOND": str(MAXIMUM_PER_SECOND)}
    with bench.stack(web=2, email=WORKERS, settings=settings) as stack:
        kept = _kept(bench, stack)
    with bench.stack(web=2, email=WORKERS) as stack:
        found, refused = _found(bench, stack)
    return [
        Line(
            row=f"{KEPT_MAILS} bulk mails, {WORKERS} workers under {MAXIMUM_PER_SECOND}/s, urgent",
            ours=kept,
            least_rate=MAXIMUM_PER_SECOND - 1,
            most=MOST_URGENT,
        ),
        Line(
            row=f"{FOUND_MAILS} bulk mails, the server refuses more than {SERVER_PER_SECOND}/s",
            ours=found,
            least_rate=LEAST_FOUND,
            note=f"{refused[0]} were refused in the first second, {refused[1]} afterwards.",
        ),
    ]


def _kept(bench: Bench, stack: BenchStack) -> Reading:
    target, calls = programs.ours(bench, stack), bulk.bodies(bench.audience, "email", KEPT_MAILS)

    def body(number: int) -> bytes:
        user = bench.audience.user(number)
        return content.encoded(content.request("email", user, f"urgent-{number}", priority=9))

    bench.smtp.reset()
    used = meter(bench.groups(stack))
    bulk.post(stack.base, bench.audience.key, calls)
    urgent = KEPT_MAILS // MAXIMUM_PER_SECOND - 2
    sent, _ = offer(target, rate=1.0, count=urgent, body=body)
    bench.smtp.wait_for(KEPT_MAILS + urgent, within=SILENCE_SECONDS)
    times = bench.smtp.times()
    waits = [times[f"urgent-{number}"] - at for number, at in sent.items()]
    # The bucket is full when the first mail is sent.
    rate = _rate(list(times.values()), first=MAXIMUM_PER_SECOND)
    return Reading(rate=rate, times=percentiles(counted(waits)), cpu=used().share())


def _found(bench: Bench, stack: BenchStack) -> tuple[Reading, tuple[int, int]]:
    bench.smtp.reset()
    bench.smtp.refuse_beyond(SERVER_PER_SECOND)
    used = meter(bench.groups(stack))
    try:
        bulk.post(stack.base, bench.audience.key, bulk.bodies(bench.audience, "email", FOUND_MAILS))
        bench.smtp.wait_for(FOUND_MAILS, within=SILENCE_SECONDS)
        share, times, refused = used(), bench.smtp.times(), sorted(bench.smtp.refused())
    finally:
        bench.smtp.refuse_beyond(0)
    first = sum(moment < refused[0] + 1 for moment in refused)
    wrong = () if len(times) == FOUND_MAILS else (f"{len(times)} mails arrived",)
    reading = Reading(rate=_rate(list(times.values())), cpu=share.share(), wrong=wrong)
    return reading, (first, len(refused) - first)


def _rate(moments: list[float], *, first: int = 0) -> float:
    """Return mails a second, without the last twentieth: refused ones wait a minute and more."""
    kept = sorted(moments)[first : len(moments) * 19 // 20]
    return (len(kept) - 1) / (kept[-1] - kept[0])
