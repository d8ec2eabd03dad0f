"""A check reports at start when the processes need more connections than PostgreSQL allows."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection

from apps.notifications.operations.connection_checks import Processes

ROOT = Path(__file__).resolve().parents[3]
W002 = "notifications.W002"


def warnings() -> list[str]:
    found = run_checks(databases=["default"])
    return [message.msg for message in found if message.id == W002]


def limit_database(limit: int) -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT {limit}')


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        # Two web processes with ten threads and a heartbeat each; for each channel two workers
        # with an urgent one, and two heartbeats; the worker of the webhooks with a heartbeat;
        # scheduler and recorder with a heartbeat each.
        (Processes(web=2, threads=10, email=1, push=1, webhooks=1), 2 * 11 + 4 + 4 + 2 + 4),
        (Processes(web=4, threads=10, email=4, push=2, webhooks=2), 4 * 11 + 7 + 5 + 3 + 4),
        (Processes(web=1, threads=10, email=0, push=0, webhooks=0), 11 + 4),
    ],
)
def test_the_connections_of_all_processes_are_added_up(processes: Processes, expected: int) -> None:
    assert processes.connections == expected


@pytest.mark.services
def test_more_connections_than_postgresql_allows_are_reported(settings: Any, db: None) -> None:
    settings.WEB_PROCESSES = 500

    [message] = warnings()

    assert "may want 5519 connections" in message


@pytest.mark.services
def test_the_default_processes_fit_into_a_default_postgresql(db: None) -> None:
    assert warnings() == []


@pytest.mark.services
def test_the_connection_limit_of_the_database_counts(db: None) -> None:
    # Rolled back with the transaction of the test.
    limit_database(40)

    assert warnings() == ["The processes may want 41 connections to PostgreSQL, which allows 40."]

    limit_database(41)
    assert warnings() == []


def test_the_embedded_mode_is_not_checked(settings: Any, db: None) -> None:
    settings.WEB_PROCESSES, settings.EMBEDDED = 500, True

    assert warnings() == []


def test_without_a_database_nothing_is_checked(settings: Any) -> None:
    settings.WEB_PROCESSES = 500

    assert [message for message in run_checks() if message.id == W002] == []
