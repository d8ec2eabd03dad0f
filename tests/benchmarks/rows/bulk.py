"""Bulk calls of a thousand rows each, with idempotency keys as a careful client sends them."""

import http.client
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from urllib.parse import urlsplit
from uuid import uuid4

from tests.benchmarks import content, programs
from tests.benchmarks.audience import Audience
from tests.benchmarks.bench import CONTENDERS, Bench
from tests.benchmarks.cpu import meter
from tests.benchmarks.database import since
from tests.benchmarks.figures import Line, Reading, alternate
from tests.benchmarks.pace import Pace
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
            contest: dict[str, Callable[[], Reading]] = {
                OURS: _round(bench, stack, pace, callers=callers)
            }
            if not pace.alone:
                contest[CEILING] = lambda: _bulk_create(bench, pace)
            found = alternate(contest, rounds=pace.rounds)
        lines.append(
            Line(
                row=f"bulk intake, {callers} caller{'s' if callers > 1 else ''}",
                ours=found[OURS],
                against=CEILING if CEILING in found else "",
                ceiling=found.get(CEILING),
                least_ratio=None if pace.alone else LEAST_RATIO,
                least_rate=LEAST_RATE,
                note="no workers; the log of every row's acceptance and its wake-up included",
            )
        )
    with bench.stack(web=2, email=1) as stack:
        go = _round(bench, stack, pace, callers=2)
        found = alternate({OURS: go}, rounds=pace.rounds)
    lines.append(
        Line(
            row="bulk intake, 2 callers, delivering",
            ours=found[OURS],
            note="one worker process delivers meanwhile",
        )
    )
    return lines


def _round(bench: Bench, stack: BenchStack, pace: Pace, *, callers: int) -> Callable[[], Reading]:
    def go() -> Reading:
        bench.clean()
        calls = bodies(bench.audience, "email", pace.mails)
        used, written = meter(bench.groups(stack)), since(bench.url(bench.database))
        began = monotonic()
        with ThreadPoolExecutor(callers) as pool:
            done = [
                pool.submit(post, stack.base, bench.audience.key, calls[number::callers])
                for number in range(callers)
            ]
            for one in done:
                one.result()
        seconds, share = monotonic() - began, used()
        return Reading(
            rate=pace.mails / seconds,
            cpu=share.share(),
            cost=share.cost_ms(pace.mails),
            bytes=written(pace.mails),
        )

    return go


def _bulk_create(bench: Bench, pace: Pace) -> Reading:
    bench.empty(CONTENDERS)
    printed = programs.run(bench, "bulk_create", "--rows", str(pace.mails))
    made = json.loads(printed.splitlines()[-1])
    return Reading(rate=made["rows"] / made["seconds"])
