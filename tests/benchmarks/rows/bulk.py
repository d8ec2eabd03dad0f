"""Bulk calls of a thousand rows each, with idempotency keys as a careful client sends them."""

import http.client
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic
from urllib.parse import urlsplit
from uuid import uuid4

from tests.benchmarks import content, programs
from tests.benchmarks.audience import Audience
from tests.benchmarks.bench import CONTENDERS, Bench
from tests.benchmarks.cpu import meter
from tests.benchmarks.database import since
from tests.benchmarks.figures import Line, Turn
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, compared
from tests.benchmarks.stack import BenchStack

PER_CALL = 1000
LEAST_RATIO, LEAST_RATE = 0.5, 5000.0
TIMEOUT_SECONDS = 60
OURS, CEILING = "ours", "bulk_create of the same rows, one process"


class NotAcceptedError(Exception):
    """At least one row of a call was not accepted."""


def bodies(audience: Audience, channel: str, count: int) -> list[bytes]:
    """Build the bodies for ``count`` notifications, a thousand in each."""
    run = uuid4().hex[:8]
    found = []
    for start in range(0, count, PER_CALL):
        rows = []
        for number in range(start, min(start + PER_CALL, count)):
            ref = f"{channel}-{run}-{number:07d}"
            user = audience.user(number)
            rows.append(content.request(channel, user, ref, request_id=ref))
        found.append(content.encoded({"notifications": rows}))
    return found


def post(base: str, key: str, calls: Sequence[bytes]) -> None:
    """Send the calls one after the other on one connection.

    Raises:
        NotAcceptedError: A row was not accepted.
    """
    line = http.client.HTTPConnection(urlsplit(base).netloc, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", "Authorization": f"Api-Key {key}"}
    for call in calls:
        line.request("POST", "/api/v1/notifications/bulk", call, headers)
        answer = line.getresponse()
        body = json.loads(answer.read())
        if answer.status != 202 or body["rejected"] or body["accepted"] != len(body["results"]):
            raise NotAcceptedError(f"{answer.status}: {str(body)[:300]}")
    line.close()


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Measure with one caller, with two, and with two while a worker delivers."""
    lines = []
    if not pace.alone:
        programs.migrate(bench)
    for callers in (1, 2):
        with bench.stack(web=2) as stack:
            contest = {OURS: _turn(bench, stack, pace.turn_rows, callers=callers)}
            if not pace.alone:
                contest[CEILING] = lambda: _bulk_create(bench, pace.turn_rows)
            found = alternate(contest, rounds=pace.rounds, turns=pace.turns)
        lines.append(
            replace(
                compared(_row(callers), found, ours=OURS, against=CEILING),
                least_ratio=None if pace.alone else LEAST_RATIO,
                least_rate=LEAST_RATE,
                note="no workers; the log of every row's acceptance and its wake-up included",
            )
        )
    with bench.stack(web=2, email=1) as stack:
        go = _turn(bench, stack, pace.bulk_rows, callers=2)
        found = alternate({OURS: go}, rounds=pace.rounds, turns=1)
    lines.append(
        replace(
            compared(f"{_row(2)}, delivering", found, ours=OURS),
            note="one worker process delivers meanwhile",
        )
    )
    return lines


def _row(callers: int) -> str:
    return f"bulk intake, {callers} caller{'s' if callers > 1 else ''}"


def _turn(bench: Bench, stack: BenchStack, rows: int, *, callers: int) -> Callable[[], Turn]:
    def go() -> Turn:
        bench.clean()
        calls = bodies(bench.audience, "email", rows)
        used, written = meter(bench.groups(stack)), since(bench.url(bench.database))
        began = monotonic()
        with ThreadPoolExecutor(callers) as pool:
            done = [
                pool.submit(post, stack.base, bench.audience.key, calls[number::callers])
                for number in range(callers)
            ]
            for one in done:
                one.result()
        seconds = monotonic() - began
        return Turn(units=rows, seconds=seconds, used=replace(used(), units=rows, bytes=written()))

    return go


def _bulk_create(bench: Bench, rows: int) -> Turn:
    bench.empty(CONTENDERS)
    printed = programs.run(bench, "bulk_create", "--rows", str(rows))
    made = json.loads(printed.splitlines()[-1])
    return Turn(units=made["rows"], seconds=made["seconds"])
