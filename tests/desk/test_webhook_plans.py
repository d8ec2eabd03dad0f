"""Webhooks, their logs and what a message was told of read indexes of 300,000 deliveries."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from apps.common import keyset
from apps.common.ids import first_id_at
from apps.desk.webhooks import find, standing, told
from apps.notifications.models import Notification
from apps.users.models import User
from apps.webhooks import redelivery
from apps.webhooks.models import Endpoint
from tests.large_tables import check, nodes, plans, rows_read

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db,
    # Before the transaction of a test begins.
    pytest.mark.usefixtures("many_deliveries"),
]
DELIVERIES = "webhooks_delivery"
# Of three webhooks one has nine tenths of all, one waits, and one has a few that were given up.
LARGE, WAITING, SMALL = (UUID(f"01a00000-0000-7000-8000-00000000000{n}") for n in (1, 2, 3))
ROWS = 300_000
FIRST = 1_790_000_000_000
# 100 a second. Every 50,000th was given up.
FILL = f"""
INSERT INTO webhooks_delivery (id, endpoint_id, event_id, event, notification_id, data, occurred_at,
    state, wake_at, tries, attempts, created_at)
SELECT
    (lpad(to_hex({FIRST} + n * 10), 12, '0') || '7abc8' || lpad(to_hex(n), 15, '0'))::uuid,
    CASE WHEN n %% 1000 = 5 THEN %(small)s WHEN n %% 10 = 0 THEN %(waiting)s
        ELSE %(large)s END::uuid,
    (lpad(to_hex({FIRST} + n * 10), 12, '0') || '7abc9' || lpad(to_hex(n), 15, '0'))::uuid,
    'notification.sent', md5(n::text)::uuid, '{{}}', now(),
    CASE WHEN n %% 10 = 0 THEN 'pending' WHEN n %% 50000 = 7 OR n %% 1000 = 5 THEN 'failed'
        ELSE 'delivered' END,
    CASE WHEN n %% 10 = 0 THEN now() + n * interval '1 second' END,
    1, '[{{"at": "2026-11-29T12:00:00Z", "status_code": 500, "duration_ms": 1, "error": null,
        "response_excerpt": ""}}]', now()
FROM generate_series(1, {ROWS}) n
"""  # noqa: S608 - only our own numbers.


def at_row(number: int) -> datetime:
    return datetime.fromtimestamp((FIRST + number * 10) / 1000, UTC)


@pytest.fixture(scope="module")
def many_deliveries(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """300,000 deliveries of three webhooks, committed before the transaction of a test begins."""
    with django_db_blocker.unblock():
        for pk in (LARGE, WAITING, SMALL):
            Endpoint.objects.create(pk=pk, client="shop", kind="live", url="https://a.example.com/")
        with connection.cursor() as cursor:
            names = {"large": LARGE, "waiting": WAITING, "small": SMALL}
            cursor.execute(FILL, {name: str(pk) for name, pk in names.items()})
            cursor.execute(f"VACUUM ANALYZE {DELIVERIES}")
        yield
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {DELIVERIES}, webhooks_endpoint")
            cursor.execute(f"ANALYZE {DELIVERIES}")


@pytest.fixture
def admin(client: Client) -> Client:
    root: Any = User.objects.create_superuser(name="", email="root@example.com")
    client.force_login(root)
    return client


def read(admin: Client, path: str, query: dict[str, str]) -> Any:
    with plans(DELIVERIES) as found:
        answer = admin.get(f"/admin/{path}", query)
        assert answer.status_code == 200
    check(found, DELIVERIES)
    return answer.context


@pytest.mark.parametrize("position", [0, ROWS // 2], ids=["first", "second"])
@pytest.mark.parametrize(
    ("endpoint", "state"),
    [
        *((pk, state) for pk in (LARGE, WAITING, SMALL) for state in ("", "pending", "failed")),
        (LARGE, "delivered"),
        (SMALL, "delivered"),
    ],
)
def test_a_log_reads_indexes_and_few_rows(
    admin: Client, endpoint: UUID, state: str, position: int
) -> None:
    page = {"page": f"before-{first_id_at(at_row(position))}"} if position else {}
    read(admin, f"webhooks/{endpoint}/", {"state": state, **page})


def test_what_was_taken_is_searched_between_the_rows_of_others(admin: Client) -> None:
    # A tenth of all rows are of a webhook that has taken nothing.
    with plans(DELIVERIES) as found:
        assert admin.get(f"/admin/webhooks/{WAITING}/", {"state": "delivered"}).status_code == 200
    assert max(map(rows_read, found)) <= keyset.ROWS_SEARCHED * 10
    assert not any(node["Node Type"] == "Seq Scan" for plan in found for node in nodes(plan))


def test_the_list_looks_only_at_the_newest_deliveries(admin: Client) -> None:
    found = read(admin, "webhooks/", {})["feed"].lines
    assert len(found) == 3
    assert all(line.last for line in found)


def test_how_a_webhook_stands_is_read_from_indexes() -> None:
    for pk in (LARGE, WAITING, SMALL):
        endpoint = Endpoint.objects.get(pk=pk)
        with plans(DELIVERIES) as found:
            shown = standing.standing_of(endpoint, now=at_row(0))
        check(found, DELIVERIES)
        assert (shown.waiting is None) == (pk == WAITING)


def test_an_event_is_found_near_the_time_of_its_id() -> None:
    event_id = UUID(int=(FIRST + 1_500_000) << 80 | 0x7ABC9 << 60 | 150_000)
    with plans(DELIVERIES) as found:
        rows = find.deliveries_by_id(event_id, most=20)
    check(found, DELIVERIES)
    assert [row.event_id for row in rows] == [event_id]


def test_who_was_told_of_a_message_is_found_near_its_times() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT md5('150001')::uuid")
        (pk,) = cursor.fetchone()
    at = at_row(150_001)
    row = Notification(
        pk=pk, client="shop", kind="live", created_at=at - timedelta(hours=1), updated_at=at
    )
    times = [at + timedelta(minutes=n) for n in range(30)]
    with plans(DELIVERIES) as found:
        rows = told.of_message(row, times)
    check(found, DELIVERIES)
    assert rows is not None
    assert [one.delivery.notification_id for one in rows] == [pk]


def test_a_window_of_what_was_given_up_is_counted_by_its_index() -> None:
    endpoint = Endpoint.objects.get(pk=LARGE)
    window: Any = {"since": at_row(0), "until": at_row(ROWS + 1), "state": "failed"}
    with plans(DELIVERIES) as found:
        count = redelivery.count_window(endpoint, **window)
    check(found, DELIVERIES)
    assert count == 6
