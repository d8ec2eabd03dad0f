"""Each list and search reads an index of a table of 300,000 rows, by the plans of PostgreSQL."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.models import Notification
from tests.notifications.factories import client_with

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db,
    # Before the transaction of a test begins.
    pytest.mark.usefixtures("stored"),
]

URL = "/api/v1/notifications/"
ROWS = 300_000
# The rows that one statement may read: the 10,000 that are searched, those of another client
# between them, which has a third of all rows, and a page.
ROWS_READ_MAX = 15_300

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


@pytest.fixture(scope="module")
def stored(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(FILL, [MANY, BATCH, ROWS])
            # As autovacuum does: without it PostgreSQL cannot count in an index alone.
            cursor.execute("VACUUM ANALYZE notifications_notification")
            cursor.execute("RESET statement_timeout")
        yield
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE notifications_notification CASCADE")
            cursor.execute("ANALYZE notifications_notification")


@pytest.fixture
def shop(stored: None) -> APIClient:
    return client_with(Scope.NOTIFICATIONS_READ, client="shop")


@pytest.fixture
def tiny(stored: None) -> APIClient:
    return client_with(Scope.NOTIFICATIONS_READ, client="tiny")


@pytest.fixture
def operator(stored: None) -> APIClient:
    return client_with(Scope.NOTIFICATIONS_READ, Scope.OPERATIONS, client="console")


@contextmanager
def plans() -> Iterator[list[Any]]:
    """Collect the plans of all statements that read notifications, with the rows they read."""
    found: list[Any] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    for query in captured.captured_queries:
        if 'FROM "notifications_notification"' in query["sql"]:
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
            if "Scan" in node["Node Type"]
        )
    )


QUERIES: list[dict[str, Any]] = [
    {},
    {"status": "failed"},
    {"status": "sent"},
    {"status": "pending"},
    {"status": "failed", "template_code": "rare"},
    {"template_code": "welcome"},
    {"template_code": "rare"},
    {"template_code": "nothing"},
    {"user_id": str(MANY)},
    {"user_id": str(MANY), "status": "pending"},
    {"user_id": str(BATCH)},
    {"batch_id": str(BATCH)},
    {"batch_id": str(BATCH), "status": "pending"},
    {"request_id": "key-150000"},
    {"correlation_id": "trace-70000"},
    {"provider_message_id": "nothing"},
    {"notification_type": "push"},
    {"created_before": "2026-09-22T00:00:00Z", "status": "failed"},
    {"created_after": "2026-09-23T00:00:00Z", "template_code": "rare"},
]


@pytest.mark.parametrize("caller", ["shop", "tiny", "operator"])
@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_list_reads_an_index_and_few_rows(
    request: pytest.FixtureRequest, caller: str, query: dict[str, Any]
) -> None:
    client: APIClient = request.getfixturevalue(caller)
    with plans() as found:
        assert client.get(URL, query).status_code == 200

    assert found
    for plan in found:
        kinds = {node["Node Type"] for node in nodes(plan)}
        assert "Seq Scan" not in kinds, json.dumps(plan)[:2000]
        assert rows_read(plan) <= ROWS_READ_MAX, json.dumps(plan)[:2000]


def test_the_rare_rows_of_all_clients_are_found_by_their_index(stored: None) -> None:
    rows = Notification.objects.filter(status="failed").order_by("-pk")
    with plans() as found:
        assert len(rows[:51]) == ROWS // 50_000

    assert rows_read(found[0]) == ROWS // 50_000


def test_pages_go_on_until_the_rare_template_is_found(shop: APIClient) -> None:
    query, pages, found = {"template_code": "rare"}, 0, list[Any]()
    link: str | None = URL
    while link is not None:
        page = shop.get(link, query if link == URL else {}).json()
        pages, link = pages + 1, page["next"]
        found += page["results"]

    # Of the three rows two belong to this client, which has 199,800 rows.
    assert len(found) == sum(1 for n in (1, 100_001, 200_001) if n % 3)
    assert pages == 20
