"""A kept database connection is checked without a round trip, and replaced when it is dead."""

from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from tests import services

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def elsewhere(sql: str, *values: object) -> object:
    """Run a query over a separate connection and return its one value."""
    with psycopg.connect(make_conninfo(services.DATABASE_URL)) as other:
        (row,) = other.execute(sql, values).fetchall()
        return row[0]


def own_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return int(pid)


def check_before_use() -> None:
    """Run the check that Django makes before the first statement of a request."""
    wrapper: Any = connection
    wrapper.health_check_done = False
    wrapper.health_check_enabled = True
    wrapper.close_if_health_check_failed()


def test_a_live_connection_is_used_without_a_query_to_check_it() -> None:
    pid = own_pid()
    check_before_use()
    last = elsewhere("SELECT query FROM pg_stat_activity WHERE pid = %s", pid)
    assert last == "SELECT pg_backend_pid()"
    assert own_pid() == pid


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    pid = own_pid()
    assert elsewhere("SELECT pg_terminate_backend(%s, 5000)", pid) is True
    check_before_use()
    assert own_pid() != pid
