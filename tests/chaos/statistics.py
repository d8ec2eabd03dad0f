"""Compare the statistics with the rows: every minute's counts, and all calls of providers."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

import psycopg

from apps.notifications.lifecycle.states import FINISHED
from apps.notifications.statistics import counters

CONNECT_SECONDS = 5
SHOWN = 5
# One snapshot: the scheduler moves counts from the deltas to the sums meanwhile.
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
COUNTS = """
    SELECT at, client, counts FROM notifications_statisticsdelta
    UNION ALL
    SELECT at, client, counts FROM notifications_statisticssum WHERE seconds = 60
"""
NOTIFICATIONS = (
    "SELECT client, created_at, updated_at, status, reason FROM notifications_notification"
)
ATTEMPTS = """
    SELECT provider || '/' || outcome, count(*) FROM notifications_attempt
    GROUP BY provider, outcome
"""

# Minute, client and name; for calls of providers the name alone.
Counts = Mapping[str, int]
Stored = Iterable[tuple[datetime, str, Counts]]
Rows = Iterable[tuple[str, datetime, datetime, str, str]]


def differences(url: str) -> list[str]:
    """Read both from a database, and return the differences in words."""
    with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(SNAPSHOT)
        stored = connection.execute(COUNTS).fetchall()
        rows = connection.execute(NOTIFICATIONS).fetchall()
        calls: dict[str, int] = dict(connection.execute(ATTEMPTS).fetchall())
    found = compared(counted(stored), expected(rows))
    found += compared(counted_calls(stored), Counter(calls))
    return found


def counted(stored: Stored) -> Counter[str]:
    """Return the counts by minute, client and name; endings that were replaced are subtracted."""
    found = Counter[str]()
    for at, client, counts in stored:
        for name, count in counts.items():
            first, _, rest = name.partition("/")
            if first == counters.REPLACED:
                found[_named(at, client, f"{counters.ENDED}/{rest}")] -= count
            elif first in {counters.ACCEPTED, counters.ENDED}:
                found[_named(at, client, name)] += count
    return found


def expected(rows: Rows) -> Counter[str]:
    """Return the same by the rows of notifications."""
    found = Counter[str]()
    for client, created_at, updated_at, status, reason in rows:
        found[_named(created_at, client, counters.ACCEPTED)] += 1
        if status in FINISHED:
            found[_named(updated_at, client, f"{counters.ENDED}/{status}/{reason}")] += 1
    return found


def counted_calls(stored: Stored) -> Counter[str]:
    """Return the counts of calls by ``provider/outcome``."""
    found = Counter[str]()
    for _, _, counts in stored:
        for path, count in counters.below(counts, counters.ATTEMPTS):
            found["/".join(path)] += count
    return found


def compared(counted: Counter[str], expected: Counter[str]) -> list[str]:
    """Return the first few differences in words."""
    names = sorted(name for name in counted | expected if counted[name] != expected[name])
    words = [f"{name}: {counted[name]} counted, {expected[name]} rows" for name in names[:SHOWN]]
    more = len(names) - SHOWN
    return [*words, f"and {more} more"] if more > 0 else words


def _named(at: datetime, client: str, name: str) -> str:
    return f"{counters.minute_of(at):%H:%M} {client} {name.rstrip('/')}"
