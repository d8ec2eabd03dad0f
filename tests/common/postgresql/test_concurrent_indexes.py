"""Indexes are built beside writes, without a time limit, and again after an interruption."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.users.models import User
from apps.users.search import find_users
from tests.large_tables import BATCH, FILL, MANY

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE, AFTER = "0012", "0013"


def migrate(target: str, app: str = "notifications") -> None:
    call_command("migrate", app, target, verbosity=0)


def execute(statement: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


def indexes() -> dict[str, bool]:
    """Return the indexes of notifications, and whether each is valid."""
    return dict(
        execute(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index "
            "WHERE indrelid = 'notifications_notification'::regclass"
        )
    )


@pytest.fixture
def _before() -> Iterator[None]:
    migrate(BEFORE)
    yield
    # To the newest one.
    call_command("migrate", verbosity=0)


@pytest.mark.services
@pytest.mark.usefixtures("_before")
def test_a_build_has_no_time_limit_and_the_usual_one_is_back_afterwards() -> None:
    execute(FILL, MANY, BATCH, 100_000)
    execute("SET statement_timeout = '60ms'")
    try:
        migrate(AFTER)
        assert execute("SHOW statement_timeout") == [("60ms",)]
    finally:
        execute("RESET statement_timeout")

    assert all(indexes().values())
    assert "notification_request_key" in indexes()
    assert "notification_idempotency_key" not in indexes()


@pytest.mark.usefixtures("_before")
def test_a_build_that_was_interrupted_is_repeated() -> None:
    # What an interrupted one leaves has the name, and is of no use.
    execute("CREATE INDEX attempt_provider_message ON notifications_attempt (outcome)")

    migrate(AFTER)

    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "notifications_attempt")
    assert found["attempt_provider_message"]["columns"] == ["provider_message_id"]


@pytest.mark.services
@pytest.mark.usefixtures("_before")
def test_every_index_of_the_big_tables_is_built_concurrently() -> None:
    with CaptureQueriesContext(connection) as captured:
        migrate(AFTER)

    built = [q["sql"] for q in captured.captured_queries if "INDEX" in q["sql"][:20]]
    assert len(built) > 5
    assert all("CONCURRENTLY" in statement for statement in built)


def test_users_are_kept_and_found_after_the_migration_of_their_indexes() -> None:
    migrate("0002", "users")
    try:
        user = User.objects.create_user(name="Ada", email="ada@example.com")
        with CaptureQueriesContext(connection) as captured:
            migrate("0003", "users")
        built = [q["sql"] for q in captured.captured_queries if q["sql"].startswith("CREATE INDEX")]
        assert len(built) == 5
        on_postgresql = connection.vendor == "postgresql"
        assert all(("CONCURRENTLY" in statement) is on_postgresql for statement in built)
        assert find_users("ADA@").ids == find_users("ad").ids == (user.pk,)
    finally:
        call_command("migrate", verbosity=0)
