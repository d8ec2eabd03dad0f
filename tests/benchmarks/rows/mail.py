"""Delivery of queued mails, from the first to the last mail that the sink receives."""

from collections.abc import Callable
from dataclasses import replace

from tests.benchmarks import programs
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Line, Turn
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, compared
from tests.benchmarks.rows import queued
from tests.benchmarks.rows.watching import watched

WORKERS = 2
# Slow, with one task and one new connection per mail: a tenth of the mails is enough.
CELERY_PART = 10
OURS = "ours"
STANDARD = "two processes: standard library's MIME and smtplib"
OWN_BUILDER = "two processes: our own MIME and smtplib"
OFFICE_ONE, OFFICE_TWO = "django-post_office, one process", "django-post_office, two processes"
CELERY = "a Celery task a mail, send_mail"
LEAST = {STANDARD: 0.8, OWN_BUILDER: None, OFFICE_ONE: 1.5, OFFICE_TWO: 1.0, CELERY: 5.0}


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Compare with the other ways to send the same mails."""
    contest: dict[str, Callable[[], Turn]] = {
        OURS: lambda: queued.deliver(bench, provider="smtp", count=pace.turn_mails, workers=WORKERS)
    }
    if not pace.alone:
        programs.run(bench, "post_office", "migrate", theirs=True)
        contest |= {
            STANDARD: lambda: _raw(bench, pace, builder="standard"),
            OWN_BUILDER: lambda: _raw(bench, pace, builder="ours"),
            OFFICE_ONE: lambda: _post_office(bench, pace, processes=1),
            OFFICE_TWO: lambda: _post_office(bench, pace, processes=2),
            CELERY: lambda: _celery(bench, pace),
        }
    found = alternate(contest, rounds=pace.rounds, turns=pace.delivery_turns)
    row = f"{pace.mails:,} queued mails, {WORKERS} worker processes"
    if pace.alone:
        return [compared(row, found, ours=OURS)]
    return [
        replace(compared(row, found, ours=OURS, against=name), least_ratio=least)
        for name, least in LEAST.items()
    ]


def _raw(bench: Bench, pace: Pace, *, builder: str) -> Turn:
    words = ("--port", str(bench.smtp.port), "--mails", str(pace.turn_mails), "--builder", builder)
    bench.smtp.reset()
    return watched(
        bench.smtp,
        pace.turn_mails,
        during=lambda: programs.run(bench, "raw_mail", *words),
        groups=bench.groups(),
    )


def _post_office(bench: Bench, pace: Pace, *, processes: int) -> Turn:
    name = "post_office"
    programs.run(bench, name, "queue", "--mails", str(pace.turn_mails), theirs=True)
    send = ("send", "--processes", str(processes))
    bench.smtp.reset()
    return watched(
        bench.smtp,
        pace.turn_mails,
        during=lambda: programs.run(bench, name, *send, theirs=True),
        groups=bench.groups(),
    )


def _celery(bench: Bench, pace: Pace) -> Turn:
    mails = max(1, pace.turn_mails // CELERY_PART)
    programs.run(bench, "celery_mail", "--mails", str(mails))
    bench.smtp.reset()
    with programs.celery_worker(bench, concurrency=WORKERS):
        return watched(bench.smtp, mails, groups=bench.groups())
