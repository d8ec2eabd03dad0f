"""The same rows measured on a table with millions of rows and on an empty table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from tests.benchmarks.bench import EMPTY, STORED, Bench
from tests.benchmarks.figures import Line
from tests.benchmarks.pace import Pace
from tests.benchmarks.rounds import compared

if TYPE_CHECKING:
    from tests.benchmarks.rows import Row

LEAST_RATIO = 0.9
OURS, AGAINST = "ours", "itself on an empty table"
SLICE = 250_000
# Finished notifications of the last 90 days, like a client's order confirmations: their ids are
# UUIDs of version 7 with the matching time, and they are spread over users and batches.
FILL = """
INSERT INTO notifications_notification (id, client, kind, request_id, body_digest, correlation_id,
    channel, user_id, template_code, template_version, template_version_id, language, variables,
    metadata, priority, status, reason, attempts, crashes, wakes, created_at, updated_at)
SELECT made.id, 'shop', 'live', 'stored-' || made.number,
    decode(md5(made.number::text) || md5('b' || made.number), 'hex'),
    replace(made.id::text, '-', ''), 'email',
    (%(users)s::uuid[])[1 + made.number %% %(people)s], 'bench-mail', 1, made.id, 'en',
    jsonb_build_object('ref', 'stored-' || made.number, 'name', 'Ada'), '{}', 5, 'sent', '',
    1, 0, 0, made.at, made.at
FROM (
    SELECT number, at, (
        lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '7' || substr(md5(number::text), 1, 3) || '8' || substr(md5(number::text), 4, 15)
    )::uuid AS id
    FROM (
        SELECT number, now() - interval '90 days' * (1 - number::float / %(total)s) AS at
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
    ) AS timed
) AS made
"""
ATTEMPTS = """
INSERT INTO notifications_attempt (id, notification_id, number, provider, outcome, code, detail,
    provider_message_id, correlation_id, started_at, duration_ms)
SELECT id, id, 1, 'smtp', 'accepted', '250', '', '', correlation_id, created_at, 3
FROM notifications_notification
WHERE request_id LIKE 'stored-%%'
"""
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename IN ('notifications_notification', 'notifications_attempt')
AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


def fill(bench: Bench, count: int, *, database_name: str = STORED) -> None:
    """Create another database and store ``count`` finished notifications with their attempts."""
    bench.make_database(database_name, like=EMPTY)
    users = bench.audience.user_ids
    with psycopg.connect(bench.url(database_name), autocommit=True) as database:
        # Create the indexes afterwards, which takes a fraction of the time.
        indexes = database.execute(INDEXES).fetchall()
        for name, _ in indexes:
            database.execute(f'DROP INDEX "{name}"')
        for first in range(1, count + 1, SLICE):
            numbers = {"first": first, "last": min(first + SLICE - 1, count), "total": count}
            database.execute(FILL, {**numbers, "users": users, "people": len(users)})
        database.execute(ATTEMPTS.replace("%%", "%"))
        for _, definition in indexes:
            database.execute(definition)
        database.execute("VACUUM ANALYZE")
        database.execute("CHECKPOINT")


def both(bench: Bench, row: "Row", pace: Pace, *, count: int) -> list[Line]:
    """Run a row without its contenders, alternating between both tables."""
    found: dict[str, dict[str, list[Line]]] = {EMPTY: {}, STORED: {}}
    # One turn in a round: every turn starts a stack, because a stack has one database.
    once = replace(pace, rounds=1, turns=1, delivery_turns=1, alone=True)
    for number in range(pace.rounds):
        for database in (EMPTY, STORED) if number % 2 == 0 else (STORED, EMPTY):
            bench.database = database
            for line in row.measure(bench, once):
                found[database].setdefault(line.row, []).append(line)
    bench.database = EMPTY
    return [
        _against_empty(f"{name}, {count:,} stored", lines, found[EMPTY][name])
        for name, lines in found[STORED].items()
        if name in found[EMPTY]
    ]


def _against_empty(row: str, full: Sequence[Line], empty: Sequence[Line]) -> Line:
    found = {OURS: [line.ours for line in full], AGAINST: [line.ours for line in empty]}
    line = compared(row, found, ours=OURS, against=AGAINST)
    return replace(line, least_ratio=LEAST_RATIO, most=full[0].most)
