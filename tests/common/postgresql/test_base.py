"""A kept database connection is checked without a round trip, and replaced when it is dead."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.db.backends.postgresql.base import TIMESTAMPTZ_OID
from psycopg.conninfo import make_conninfo
from psycopg.pq import Format

from apps.users.models import User
from tests import services
from tests.notifications.factories import person

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


def times(*zones: str) -> list[datetime]:
    """Read the same moment in sessions of these time zones."""
    read = []
    with connection.cursor() as cursor:
        for zone in zones:
            cursor.execute("SELECT set_config('TimeZone', %s, false)", [zone])
            cursor.execute("SELECT '2026-07-01 12:00:00.123456+00'::timestamptz")
            read.append(cursor.fetchone()[0])
        cursor.execute("SELECT set_config('TimeZone', 'UTC', false)")
    return read


def test_a_time_is_the_same_moment_in_a_session_of_another_time_zone() -> None:
    moment = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert times("UTC", "Europe/Berlin", "America/New_York") == [moment] * 3


def test_times_are_read_in_utc() -> None:
    (read,) = times("UTC")
    assert read.tzinfo is UTC


def test_times_are_read_by_the_loader_that_is_written_in_c() -> None:
    with connection.cursor() as cursor:
        loader = cursor.adapters.get_loader(TIMESTAMPTZ_OID, Format.TEXT)
    assert loader.__module__ == "psycopg_binary._psycopg"


def test_a_cursor_of_the_server_reads_times_in_utc() -> None:
    with transaction.atomic():
        moments = User.objects.values_list("created_at", flat=True)
        person("alice")
        assert [moment.tzinfo for moment in moments.iterator()] == [UTC]
