"""Retention: a day's old notifications are deleted while requests come and mails are sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from time import monotonic
from uuid import UUID

import psycopg

from apps.common.ids import first_id_at
from tests.benchmarks import programs, stored, wrk
from tests.benchmarks.bench import EMPTY, Bench
from tests.benchmarks.figures import Line, Turn, Used
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import summed
from tests.benchmarks.rows.single import P99_SECONDS, warm_up
from tests.benchmarks.wrk import Target
from tests.journeys.http import until

DATABASE = "aged"
# The stored rows are spread over 90 days, so this makes two thirds of them old.
SHORT_DAYS, LONG_DAYS = 30, 3650
# About 300 requests a second.
CONNECTIONS, DELAY_MS, CALM_SECONDS, TURN_SECONDS = 16, 50.0, 60, 10
SLOWEST_RATE, FIRST_SECONDS = 300, 60
SIZES = """
SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
WHERE relname IN ('notifications_notification', 'notifications_attempt') ORDER BY relname DESC
"""
MB = 1_000_000


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Measure requests without a purge, then with one until it ends, then without one again."""
    stored.fill(bench, pace.purged * 3 // 2, database_name=DATABASE)
    bench.database = DATABASE
    try:
        return [_line(bench, pace)]
    finally:
        bench.database = EMPTY


def _line(bench: Bench, pace: Pace) -> Line:
    sizes = [_sizes(bench)]
    with _stack(bench, days=LONG_DAYS) as target:
        calm = [_requests(bench, target, seconds=CALM_SECONDS)]
    last = first_id_at(datetime.now(UTC) - timedelta(days=SHORT_DAYS))
    with _stack(bench, days=SHORT_DAYS) as target, _load(bench, target) as during:
        began = monotonic()
        within = FIRST_SECONDS + pace.purged / SLOWEST_RATE
        with psycopg.connect(bench.url(DATABASE), autocommit=True) as database:
            until(lambda: not _exists(database, last), within=within, what="the purge")
        seconds = monotonic() - began
    sizes.append(_sizes(bench))
    with _stack(bench, days=LONG_DAYS) as target:
        calm.append(_requests(bench, target, seconds=CALM_SECONDS))
    _vacuum(bench)
    sizes.append(_sizes(bench))
    busy = summed(during)
    rate = Turn(units=pace.purged, seconds=seconds, used=Used(seconds=seconds))
    return Line(
        row=f"{pace.purged:,} old rows deleted beside 300 requests/s with their mails",
        ours=summed([rate, *(_timed(turn) for turn in during)]),
        against="the requests alone",
        ceiling=summed([_timed(turn) for turn in calm]),
        most={"p99": P99_SECONDS},
        note=(
            f"the purge took {seconds:.0f} s, beside {busy.rate:,.0f} requests/s; MB of "
            "notifications, their indexes, attempts, their indexes before, after, and after "
            "VACUUM: " + "; ".join(sizes)
        ),
    )


def _timed(turn: Turn) -> Turn:
    """Return a turn of requests without its units, which are not the row's units."""
    return Turn(waits=turn.waits, wrong=turn.wrong)


@contextmanager
def _stack(bench: Bench, *, days: int) -> Iterator[Target]:
    with bench.stack(web=2, email=1, settings={"RETENTION_DAYS": str(days)}) as stack:
        target = programs.ours(bench, stack)
        warm_up(bench, target)
        yield target


@contextmanager
def _load(bench: Bench, target: Target) -> Iterator[list[Turn]]:
    """Send requests until the block is left; the list has one turn for each ten seconds."""
    ended, turns = Event(), list[Turn]()

    def send() -> None:
        while not ended.is_set():
            turns.append(_requests(bench, target, seconds=TURN_SECONDS))

    sender = Thread(target=send)
    sender.start()
    try:
        yield turns
    finally:
        ended.set()
        sender.join()


def _requests(bench: Bench, target: Target, *, seconds: float) -> Turn:
    answers = wrk.post(
        target, connections=CONNECTIONS, seconds=seconds, folder=bench.folder, delay_ms=DELAY_MS
    )
    return answers.turn(Used(seconds=seconds))


def _exists(database: psycopg.Connection, last: UUID) -> bool:
    """Tell whether a notification with an id before the given one is stored."""
    query = "SELECT 1 FROM notifications_notification WHERE id < %s LIMIT 1"
    return database.execute(query, [last]).fetchone() is not None


def _sizes(bench: Bench) -> str:
    with psycopg.connect(bench.url(DATABASE), autocommit=True) as database:
        found = database.execute(SIZES).fetchall()
    return ", ".join(f"{size / MB:,.0f}" for _, *sizes in found for size in sizes)


def _vacuum(bench: Bench) -> None:
    with psycopg.connect(bench.url(DATABASE), autocommit=True) as database:
        database.execute("VACUUM")
