"""A database as after months of use: users, notifications, attempts, batches and dead letters.

Everything is made by SQL. The ids are UUIDs of version 7 with the matching time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg

SLICE = 250_000
NAMES = [
    f"{first} {last}"
    for first in ("Ada", "Amina", "Bola", "Chen", "Dora", "Emeka", "Fatima", "Grace", "Hana", "Ivo")
    for last in ("Abara", "Berg", "Castro", "Diallo", "Eze", "Fischer", "Garcia", "Huang", "Ito")
]
# One user registered every 30 seconds.
FUNCTIONS = (
    """
CREATE FUNCTION pg_temp.id_at(ms bigint, seed text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(seed), 1, 3)
        || '8' || substr(md5(seed), 4, 15))::uuid
$$
""",
    """
CREATE FUNCTION pg_temp.user_of(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.id_at(1750000000000 + 30000 * number, 'user' || number)
$$
""",
)
USERS = """
INSERT INTO users_user (id, password, is_superuser, name, email, email_key, email_confirmed_at,
    pending_email, locale, timezone, email_enabled, push_enabled, is_active, is_staff,
    session_version, created_at, updated_at)
SELECT pg_temp.user_of(number), '', false,
    (%(names)s::text[])[1 + number %% %(count)s] || ' ' || number,
    'user' || number || '@example.com', 'user' || number || '@example.com', now(), '', 'en', 'UTC',
    true, true, number %% 50000 <> 3, number %% 100000 = 2, 0, now(), now()
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
"""
EXTERNAL_IDS = """
INSERT INTO users_externalid (user_id, client, value)
SELECT pg_temp.user_of(number), 'shop', 'customer-' || number
FROM generate_series(%(first)s::bigint, %(last)s::bigint, 3) AS number
"""
SUPPRESSIONS = """
INSERT INTO users_suppression (address_hash, address, reason, created_at)
SELECT encode(sha256(('user' || number || '@example.com')::bytea), 'hex'),
    'user' || number || '@example.com', 'hard_bounce', now()
FROM generate_series(%(first)s::bigint, %(last)s::bigint, 10) AS number
"""
# The last 90 days. One in a hundred belongs to one of a hundred users, who have many; the others
# are spread over all users. One in a thousand failed. Of ten groups of 10,000 one is a batch, whose
# rows have its time.
NOTIFICATIONS = """
INSERT INTO notifications_notification (id, client, kind, request_id, body_digest, correlation_id,
    channel, user_id, template_code, template_version, template_version_id, language, variables,
    metadata, priority, status, reason, attempts, crashes, wakes, batch_id, created_at, updated_at)
SELECT pg_temp.id_at(ms, 'row' || number), CASE WHEN number %% 3 = 0 THEN 'other' ELSE 'shop' END,
    'live', 'order-' || number, decode(md5(number::text) || md5('b' || number), 'hex'),
    'trace-' || number, CASE WHEN number %% 20 = 0 THEN 'push' ELSE 'email' END,
    pg_temp.user_of(1 + CASE WHEN number %% 100 = 1 THEN number %% 10000 / 100
        ELSE number * 7919 %% %(people)s END),
    CASE WHEN number %% 10000 = 1 THEN 'rare' ELSE 'bench-mail' END, 1,
    pg_temp.id_at(ms, 'version'), 'en',
    jsonb_build_object('ref', 'order-' || number, 'name', 'Ada'), '{}', 5,
    CASE WHEN number %% 1000 = 7 THEN 'failed' ELSE 'sent' END,
    CASE WHEN number %% 1000 = 7 THEN 'attempts_exhausted' ELSE '' END, 1, 0, 0,
    CASE WHEN batched THEN pg_temp.id_at(ms, 'batch') END, to_timestamp(ms / 1000.0),
    to_timestamp(ms / 1000.0)
FROM (
    SELECT number, batched, (extract(epoch FROM %(until)s::timestamptz - interval '90 days'
        * (1 - (CASE WHEN batched THEN number / 10000 * 10000 ELSE number END)::float
            / %(total)s::float)) * 1000)::bigint AS ms
    FROM (
        SELECT number, number / 10000 %% 10 = 3 AS batched
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
    ) AS grouped
) AS timed
"""
REST = (
    """
INSERT INTO notifications_attempt (id, notification_id, number, provider, outcome, code, detail,
    provider_message_id, correlation_id, started_at, duration_ms)
SELECT id, id, 1, 'smtp', 'accepted', '250', '', 'message-' || substr(request_id, 7),
    correlation_id, created_at, 3
FROM notifications_notification
""",
    """
INSERT INTO notifications_batch (id, client, kind, source, request_id, body_digest, correlation_id,
    terms, answer, state, total, accepted, duplicates, rejected, lanes, created_at)
SELECT batch_id, 'shop', 'live', 'upload', 'file-' || min(request_id), '', '', '{}', '{}',
    'finished', count(*), count(*), 0, 0, '[]', min(created_at)
FROM notifications_notification WHERE batch_id IS NOT NULL GROUP BY batch_id
""",
    """
INSERT INTO notifications_deadletter (id, notification_id, state, kind, channel, reason,
    template_code, provider, x_death, message, recorded_at)
SELECT id, id, CASE WHEN request_id LIKE '%00007' THEN 'open' ELSE 'resolved' END, kind, channel,
    reason, template_code, 'smtp', '[]', '{}', updated_at
FROM notifications_notification WHERE status = 'failed'
""",
)
TABLES = ["users_user", "users_externalid", "notifications_notification", "notifications_attempt"]
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = ANY(%s) AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


def fill(url: str, *, notifications: int, people: int) -> None:
    """Fill a database that has no notifications."""
    with psycopg.connect(url, autocommit=True) as database:
        for function in FUNCTIONS:
            database.execute(function)
        # Create the indexes afterwards, which takes a fraction of the time.
        indexes = database.execute(INDEXES, [TABLES]).fetchall()
        for name, _ in indexes:
            database.execute(f'DROP INDEX "{name}"')
        for numbers in _slices(people):
            database.execute(USERS, {**numbers, "names": NAMES, "count": len(NAMES)})
            database.execute(EXTERNAL_IDS, numbers)
            database.execute(SUPPRESSIONS, numbers)
        given = {"total": notifications, "people": people, "until": datetime.now(UTC)}
        for numbers in _slices(notifications):
            database.execute(NOTIFICATIONS, {**numbers, **given})
        for statement in REST:
            database.execute(statement)
        for _, definition in indexes:
            database.execute(definition)
        database.execute("VACUUM ANALYZE")


def _slices(count: int) -> Iterator[dict[str, int]]:
    for first in range(1, count + 1, SLICE):
        yield {"first": first, "last": min(first + SLICE - 1, count)}
