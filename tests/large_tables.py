"""Large tables that are filled by SQL within seconds, and the plans of the statements on them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection
from django.test.utils import CaptureQueriesContext

ROWS = 300_000
# The rows that one statement may read: the 10,000 that are searched, those of another client
# between them, which has a third of all rows, and a page.
ROWS_READ_MAX = 15_300
NOTIFICATIONS, ATTEMPTS = "notifications_notification", "notifications_attempt"
USERS, EXTERNAL_IDS = "users_user", "users_externalid"

# One row a second, and a batch of 80,000 rows with ids of one millisecond. Every 50,000th row
# failed, a third is of another client, and one user has a hundredth.
FILL = """
INSERT INTO notifications_notification (
    id, client, kind, request_id, body_digest, correlation_id, channel, user_id, template_code,
    template_version, template_version_id, language, variables, sensitive, metadata, priority,
    status, reason, attempts, crashes, wakes, batch_id, created_at, updated_at)
SELECT
    (lpad(to_hex(1790000000000 + 1000 * CASE WHEN n > 200000 AND n < 280000 THEN 200001 ELSE n END),
        12, '0') || '7abc8' || lpad(to_hex(n), 15, '0'))::uuid,
    CASE WHEN n %% 1000 = 5 THEN 'tiny' WHEN n %% 3 = 0 THEN 'other' ELSE 'shop' END, 'live',
    CASE WHEN n %% 2 = 0 THEN 'key-' || n END, '\\x00', 'trace-' || n / 3, 'email',
    CASE WHEN n %% 100 = 0 THEN %s::uuid ELSE md5(n::text)::uuid END,
    CASE WHEN n %% 100000 = 1 THEN 'rare' ELSE 'welcome' END, 1, md5('v')::uuid, 'en', '{}', false,
    '{}', 5, CASE WHEN n %% 50000 = 7 THEN 'failed' ELSE 'sent' END, '', 1, 0, 0,
    CASE WHEN n > 200000 AND n < 280000 THEN %s::uuid END, now(), now()
FROM generate_series(1, %s) n
"""
MANY = UUID("01a00000-0000-7000-8000-000000000001")
BATCH = UUID(int=(1790000000000 + 200_001_000) << 80 | 0x7ABC << 64 | 0x8 << 60)
# Calls with the provider's ids of the first messages.
FILL_ATTEMPTS = """
INSERT INTO notifications_attempt (id, notification_id, number, provider, outcome, code, detail,
    provider_message_id, correlation_id, started_at, duration_ms)
SELECT id, id, 1, 'smtp', 'accepted', '250', '', 'message-' || row_number() OVER (), '', now(), 3
FROM (SELECT id FROM notifications_notification ORDER BY id LIMIT 50000) AS first
"""
# The users of the notifications: one in a hundred is called Ann, and three are staff. Every third
# one has an external id.
FILL_USERS = """
INSERT INTO users_user (id, password, is_superuser, name, email, email_key, email_confirmed_at,
    pending_email, locale, timezone, email_enabled, push_enabled, is_active, is_staff,
    session_version, created_at, updated_at)
SELECT CASE WHEN n %% 100 = 0 AND n = 100 THEN %s::uuid ELSE md5(n::text)::uuid END,
    '', n %% 300000 = 2, CASE WHEN n %% 100 = 1 THEN 'Ann ' ELSE 'Person ' END || n,
    'person' || n || '@example.com', 'person' || n || '@example.com', now(), '', 'en', 'UTC', true,
    true, n %% 100000 <> 3, n %% 100000 = 2, 0, now(), now()
FROM generate_series(1, %s) n
"""
FILL_EXTERNAL_IDS = """
INSERT INTO users_externalid (user_id, client, value)
SELECT id, 'shop', 'customer-' || substr(email, 7, position('@' IN email) - 7)
FROM users_user WHERE email LIKE 'person%%3@example.com'
"""


def fill(rows: int = ROWS) -> None:
    """Fill notifications and users, and let PostgreSQL know their distribution."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(FILL, [MANY, BATCH, rows])
        cursor.execute(FILL_ATTEMPTS)
        cursor.execute(FILL_USERS, [MANY, rows])
        cursor.execute(FILL_EXTERNAL_IDS.replace("%%", "%"))
        for table in (NOTIFICATIONS, ATTEMPTS, USERS, EXTERNAL_IDS):
            # As autovacuum does: without it PostgreSQL cannot count in an index alone.
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("RESET statement_timeout")


def empty() -> None:
    """Empty the tables again."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {NOTIFICATIONS}, {USERS} CASCADE")
        for table in (NOTIFICATIONS, ATTEMPTS, USERS, EXTERNAL_IDS):
            cursor.execute(f"ANALYZE {table}")


@contextmanager
def plans(*tables: str) -> Iterator[list[Any]]:
    """Collect the plans of all statements that read one of the tables, with the rows they read."""
    found: list[Any] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    for query in captured.captured_queries:
        words = query["sql"].replace('"', " ").split()
        if words[0] == "SELECT" and set(words) & set(tables):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
                (plan,) = cursor.fetchone()
            plan = json.loads(plan) if isinstance(plan, str) else plan
            found.append(plan[0]["Plan"])


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def rows_read(plan: Any) -> int:
    """Return the rows that the scans of a plan have read, those that a filter removed included."""
    return int(
        sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in nodes(plan)
            # A bitmap of an index only names the rows that its heap scan reads.
            if "Scan" in node["Node Type"] and node["Node Type"] != "Bitmap Index Scan"
        )
    )


def check(found: list[Any], *tables: str) -> None:
    """See that no plan reads a whole table, or more rows than a page may search."""
    assert found
    for plan in found:
        scanned = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
        assert not scanned & set(tables), json.dumps(plan)[:2000]
        assert rows_read(plan) <= ROWS_READ_MAX, json.dumps(plan)[:2000]
