"""Each list and search of staff reads indexes of tables of 300,000 rows, by the plans."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.users.models import User
from tests.large_tables import (
    ATTEMPTS,
    BATCH,
    EXTERNAL_IDS,
    MANY,
    NOTIFICATIONS,
    USERS,
    check,
    plans,
)

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db,
    # Before the transaction of a test begins.
    pytest.mark.usefixtures("large_tables"),
]
TABLES = (NOTIFICATIONS, ATTEMPTS, USERS, EXTERNAL_IDS)
SECOND = "before-01a0c4f8-0000-7000-8000-000000000000"
TERMS = [
    str(MANY),
    str(BATCH),
    "key-150000",
    "trace-70000",
    "message-7",
    "nothing",
    "person7@example.com",
    "PERSON100@Example.com",
    "person12",
    "ann",
    "Person 12",
    "person",
    "customer-300",
    "100%",
]
FILTERS: list[dict[str, Any]] = [
    {},
    {"status": "failed"},
    {"status": "sent"},
    {"status": "pending"},
    {"channel": "push"},
    {"kind": "test"},
    {"status": "failed", "channel": "push"},
    {"period": "hour"},
    {"period": "month", "status": "pending"},
    {"user_id": str(MANY)},
    {"batch_id": str(BATCH)},
    {"batch_id": str(BATCH), "status": "failed"},
]


@pytest.fixture
def admin(client: Client, settings: Any) -> Client:
    root: Any = User.objects.create_superuser(name="", email="root@example.com")
    client.force_login(root)
    return client


def read(admin: Client, page: str, query: dict[str, Any]) -> Any:
    with plans(*TABLES) as found:
        answer = admin.get(f"/admin/{page}/", query)
        assert answer.status_code == 200
    check(found, *TABLES)
    return answer.context


@pytest.mark.parametrize("position", [{}, {"page": SECOND}], ids=["first", "second"])
@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_the_feed_reads_indexes_and_few_rows(
    admin: Client, query: dict[str, Any], position: dict[str, str]
) -> None:
    read(admin, "messages", query | position)


@pytest.mark.parametrize("query", [{}, {"status": "pending"}], ids=str)
@pytest.mark.parametrize("term", TERMS)
def test_a_search_for_messages_reads_indexes_and_few_rows(
    admin: Client, term: str, query: dict[str, str]
) -> None:
    read(admin, "messages", {"q": term, **query})


def test_people_without_messages_are_searched_by_their_index(admin: Client) -> None:
    with connection.cursor() as cursor:
        # As if all notifications were of ten users. Every hundredth person has none.
        cursor.execute(f"ALTER TABLE {NOTIFICATIONS} ALTER user_id SET (n_distinct = 10)")
        cursor.execute(f"ANALYZE {NOTIFICATIONS} (user_id)")

    read(admin, "messages", {"q": "Person 12"})


@pytest.mark.parametrize(
    "term", ["key-150000", "trace-70000", "message-7", "person7@example.com", "Ann 1", "customer-3"]
)
def test_a_search_finds_its_messages(admin: Client, term: str) -> None:
    assert len(read(admin, "messages", {"q": term})["feed"].lines) > 0


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"is_staff__exact": "1"},
        {"is_staff__exact": "0"},
        {"is_superuser__exact": "1"},
        {"is_active__exact": "0"},
        {"groups__id__exact": "1"},
        {"is_staff__exact": "1", "is_active__exact": "0"},
        {"o": "1"},
        *({"q": term} for term in TERMS),
        {"q": "ann", "is_active__exact": "0"},
    ],
    ids=str,
)
def test_a_list_of_users_reads_indexes_and_few_rows(admin: Client, query: dict[str, str]) -> None:
    read(admin, "users/user", query)
