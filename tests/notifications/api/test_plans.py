"""Each list and search reads an index of a table of 300,000 rows, by the plans of PostgreSQL."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.common.callers import Scope
from apps.notifications.models import Batch, Notification
from tests.large_tables import (
    ATTEMPTS,
    BATCH,
    EXTERNAL_IDS,
    MANY,
    NOTIFICATIONS,
    ROWS,
    USERS,
    check,
    plans,
    rows_read,
)
from tests.notifications.factories import client_with

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db,
    # Before the transaction of a test begins.
    pytest.mark.usefixtures("large_tables"),
]

URL = "/api/v1/notifications/"


@pytest.fixture
def shop(large_tables: None) -> APIClient:
    return client_with(Scope.NOTIFICATIONS_READ, Scope.USERS_READ, client="shop")


@pytest.fixture
def tiny(large_tables: None) -> APIClient:
    return client_with(Scope.NOTIFICATIONS_READ, Scope.USERS_READ, client="tiny")


@pytest.fixture
def operator(large_tables: None) -> APIClient:
    scopes = (Scope.NOTIFICATIONS_READ, Scope.USERS_READ, Scope.OPERATIONS)
    return client_with(*scopes, client="console")


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
    {"provider_message_id": "message-7"},
    {"email": "person7@example.com"},
    {"email": "person100@example.com", "status": "pending"},
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
    with plans(NOTIFICATIONS, USERS) as found:
        assert client.get(URL, query).status_code == 200

    check(found, NOTIFICATIONS, ATTEMPTS, USERS)


@pytest.mark.parametrize("caller", ["shop", "operator"])
@pytest.mark.parametrize(
    "query", [{}, {"email": "person7@example.com"}, {"external_id": "customer-300"}], ids=str
)
def test_a_list_of_users_reads_an_index_and_few_rows(
    request: pytest.FixtureRequest, caller: str, query: dict[str, str]
) -> None:
    client: APIClient = request.getfixturevalue(caller)
    with plans(USERS, EXTERNAL_IDS) as found:
        assert client.get("/api/v1/users/", query).status_code == 200

    check(found, USERS, EXTERNAL_IDS)


def test_a_list_of_batches_counts_only_the_rows_of_small_ones(shop: APIClient) -> None:
    fields = {"client": "shop", "kind": "live", "body_digest": b""}
    Batch.objects.create(pk=BATCH, accepted=79_999, **fields)
    Batch.objects.bulk_create(Batch(accepted=1000, **fields) for _ in range(40))
    with plans(NOTIFICATIONS) as found:
        page = shop.get("/api/v1/batches/").json()

    check(found, NOTIFICATIONS)
    counts = {row["batch_id"]: row["counts"] for row in page["results"]}
    assert (len(counts), counts[str(BATCH)]) == (41, None)


def test_the_rare_rows_of_all_clients_are_found_by_their_index(large_tables: None) -> None:
    rows = Notification.objects.filter(status="failed").order_by("-pk")
    with plans(NOTIFICATIONS) as found:
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
