"""Webhooks: how many are delivered, and what an endpoint that hangs does to the others."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg

from tests.benchmarks import programs
from tests.benchmarks.bench import Bench
from tests.benchmarks.cpu import meter
from tests.benchmarks.database import since
from tests.benchmarks.figures import Line, Turn, blamed, counted
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import alternate, compared
from tests.benchmarks.rows.watching import watched
from tests.benchmarks.stack import BenchStack
from tests.journeys.http import Api, until

WORKERS = 2
LEAST_RATE = 1000.0
# The others may wait so much longer while one endpoint hangs.
MOST_WAIT = 1.2
# As many calls at a time as ours makes to one endpoint in each process.
CALLS = 16
OFFERED_PER_SECOND = 50.0
CALLERS = 8
RECORDED_SECONDS = 60
LAST_SECONDS = 20
HANGING_EVENTS = 1000
OURS = "ours"
EMPTY = "TRUNCATE webhooks_delivery, webhooks_endpoint"
UNFINISHED = "SELECT count(*) FROM webhooks_delivery WHERE wake_at IS NOT NULL"
# Events as the pipeline stores them. A change of 100 of them in one insert is what a chunk does.
STORE = """
INSERT INTO webhooks_delivery
    (id, endpoint_id, event_id, event, notification_id, user_id, data, occurred_at, state, wake_at,
     tries, attempts, created_at)
SELECT gen_random_uuid(), %s, gen_random_uuid(), 'notification.delivered', id, NULL,
    jsonb_build_object(
        'notification_id', id, 'request_id', 'order-' || number, 'correlation_id', id,
        'batch_id', NULL, 'user_id', id, 'external_id', NULL, 'notification_type', 'email',
        'template_code', 'welcome', 'status', 'delivered', 'reason', NULL, 'provider', 'smtp',
        'at', '2026-11-29T12:00:00.000Z', 'metadata', jsonb_build_object('order', number)
    ),
    now(), 'pending', now(), 0, '[]', now()
FROM (SELECT gen_random_uuid() AS id, number FROM generate_series(1, %s) AS number) AS made
"""


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Measure both."""
    return [_rate(bench, pace), *_waits(bench, pace)]


def _rate(bench: Bench, pace: Pace) -> Line:
    """Compare our deliveries with bare posts of the same bodies."""
    count = pace.turn_webhooks
    pool = f"the same HTTP posts from two processes of {CALLS} threads"
    contest: dict[str, Callable[[], Turn]] = {OURS: lambda: _deliver(bench, count)}
    if not pace.alone:
        contest[pool] = lambda: _pool(bench, count)
    found = alternate(contest, rounds=pace.rounds, turns=pace.delivery_turns)
    row = f"{count * pace.delivery_turns:,} events to a fast webhook, {WORKERS} worker processes"
    line = compared(row, found, ours=OURS, against=pool)
    return replace(line, least_rate=LEAST_RATE)


@contextmanager
def _installed(bench: Bench) -> Iterator[tuple[BenchStack, Api]]:
    settings = {"WEBHOOK_WORKERS": str(WORKERS), "WEBHOOK_ALLOW_PRIVATE": "true"}
    with bench.stack(web=2, settings=settings) as stack:
        with psycopg.connect(bench.url(bench.database), autocommit=True) as database:
            database.execute(EMPTY)
        yield stack, Api(base=stack.base, key=bench.audience.key)


def _register(api: Api, url: str) -> str:
    return str(api.made("/api/v1/webhooks/", {"url": url, "events": ["*"]})["id"])


def _deliver(bench: Bench, count: int) -> Turn:
    sink = bench.sinks["webhook"]
    with _installed(bench) as (stack, api):
        endpoint = _register(api, f"http://{sink.host}:{sink.port}/hook")
        sink.reset()
        with stack.without("webhooks"):
            _store(bench, endpoint, count)
        turn = watched(
            sink,
            count,
            groups=bench.groups(stack),
            written=lambda: since(bench.url(bench.database)),
        )
        return blamed(turn, *_unrecorded(bench))


def _store(bench: Bench, endpoint: str, count: int) -> None:
    with psycopg.connect(bench.url(bench.database), autocommit=True) as database:
        database.execute(STORE, [endpoint, count])
        database.execute("ANALYZE webhooks_delivery")


def _unrecorded(bench: Bench) -> list[str]:
    with psycopg.connect(bench.url(bench.database), autocommit=True) as database:

        def unfinished() -> int:
            (found,) = database.execute(UNFINISHED).fetchone() or (0,)
            return int(found)

        try:
            until(lambda: not unfinished(), within=RECORDED_SECONDS, what="the records")
        except AssertionError:
            return [f"{unfinished()} were not recorded in {RECORDED_SECONDS} s"]
    return []


def _pool(bench: Bench, count: int) -> Turn:
    sink = bench.sinks["webhook"]
    words = ["--provider", "webhook", "--port", str(sink.port), "--messages", str(count)]
    words += ["--processes", str(WORKERS), "--threads", str(CALLS)]
    sink.reset()
    return watched(
        sink,
        count,
        during=lambda: programs.run(bench, "http_pool", *words),
        groups=bench.groups(),
    )


def _waits(bench: Bench, pace: Pace) -> list[Line]:
    """Measure the time from a request to its event, alone and beside an endpoint that hangs."""
    sink = bench.sinks["webhook"]
    with _installed(bench) as (stack, api), _hanging() as hanging:
        good = _register(api, f"http://{sink.host}:{sink.port}/hook")
        bad = _register(api, hanging)
        _turn(bench, stack, good, pace)  # Opens connections.
        alone = alternate(
            {OURS: lambda: _turn(bench, stack, good, pace)}, rounds=pace.rounds, turns=1
        )

        def beside() -> Turn:
            _store(bench, bad, HANGING_EVENTS)
            return _turn(bench, stack, good, pace)

        held = alternate({OURS: beside}, rounds=pace.rounds, turns=1)
    row = f"one event at {OFFERED_PER_SECOND:.0f}/s offered, {WORKERS} worker processes"
    before = compared(row, alone, ours=OURS)
    after = compared("the same beside a webhook that hangs", held, ours=OURS)
    p95 = before.ours.times.get("p95", 0.0)
    return [before, replace(after, most={"p95": p95 * MOST_WAIT})]


@contextmanager
def _hanging() -> Iterator[str]:
    """Listen, accept what the kernel accepts, and never answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"


def _turn(bench: Bench, stack: BenchStack, endpoint: str, pace: Pace) -> Turn:
    """Ask for test events at a constant rate, and say when each arrived."""
    sink = bench.sinks["webhook"]
    sink.reset()
    count = int(OFFERED_PER_SECOND * pace.seconds)
    begin = time.time()
    meanwhile = meter(bench.groups(stack))

    def ask(number: int) -> tuple[str, float]:
        due = begin + number / OFFERED_PER_SECOND
        time.sleep(max(0.0, due - time.time()))
        line = http.client.HTTPConnection(urlsplit(stack.base).netloc, timeout=LAST_SECONDS)
        headers = {"Authorization": f"Api-Key {bench.audience.key}"}
        line.request("POST", f"/api/v1/webhooks/{endpoint}/test", headers=headers)
        answer = json.loads(line.getresponse().read())
        line.close()
        return str(answer["event_id"]), due

    with ThreadPoolExecutor(CALLERS) as pool:
        sent = dict(pool.map(ask, range(count)))
    sink.wait_for(count, within=LAST_SECONDS)
    used, taken = meanwhile(), sink.times()
    waits = [taken[event] - due for event, due in sent.items() if event in taken]
    missing = count - len(waits)
    wrong = (f"{missing} of {count} events did not arrive",) if missing else ()
    return Turn(units=count, seconds=pace.seconds, waits=counted(waits), used=used, wrong=wrong)
