"""Our own delivery of queued notifications: accept all of them first, then start the workers."""

import psycopg

from tests.benchmarks.bench import Bench
from tests.benchmarks.database import since
from tests.benchmarks.figures import Turn, blamed
from tests.benchmarks.rows import bulk
from tests.benchmarks.rows.watching import watched
from tests.journeys.http import until

RECORDED_SECONDS = 60
UNFINISHED = "SELECT count(*) FROM notifications_notification WHERE wake_at IS NOT NULL"
# Rows that were stored before the rounds belong to no batch.
OTHERWISE = (
    "SELECT count(*) FROM notifications_notification JOIN notifications_batch b ON b.id = batch_id "
    "WHERE status <> 'sent'"
)


# The channel that a provider delivers.
CHANNELS = {"smtp": "email", "sendgrid": "email", "fcm": "push"}


def deliver(bench: Bench, *, provider: str, count: int, workers: int) -> Turn:
    """Queue and deliver notifications; lost, duplicate or unrecorded ones are errors."""
    channel, sink = CHANNELS[provider], bench.sinks[provider]
    counts = {"email": 0, "push": 0, channel: workers}
    settings = {f"{channel.upper()}_PROVIDERS": provider}
    with bench.stack(web=2, **counts, settings=settings) as stack:
        sink.reset()
        # The process for urgent lanes keeps running; these notifications do not use its lanes.
        with stack.without(channel):
            calls = bulk.bodies(bench.audience, channel, count)
            bulk.post(stack.base, bench.audience.key, calls)
        turn = watched(
            sink,
            count,
            groups=bench.groups(stack),
            written=lambda: since(bench.url(bench.database)),
        )
        return blamed(turn, *_unrecorded(bench))


def _unrecorded(bench: Bench) -> list[str]:
    with psycopg.connect(bench.url(bench.database), autocommit=True) as database:

        def unfinished() -> int:
            (found,) = database.execute(UNFINISHED).fetchone() or (0,)
            return int(found)

        try:
            until(lambda: not unfinished(), within=RECORDED_SECONDS, what="the records")
        except AssertionError:
            return [f"{unfinished()} were not recorded in {RECORDED_SECONDS} s"]
        (other,) = database.execute(OTHERWISE).fetchone() or (0,)
    return [f"{other} did not end as sent"] if other else []
