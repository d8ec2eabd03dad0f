"""While the database is unreachable, the API answers 503 with Retry-After."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from apps.common.callers import Scope
from apps.users.models import User
from tests.notifications.factories import body, client_with, person, template
from tests.notifications.problems import assert_problem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def alice() -> User:
    template("welcome")
    return person("alice")


@pytest.fixture
def away() -> Iterator[Any]:
    """Return a function that points Django at a closed port, as when PostgreSQL restarts."""
    port = connection.settings_dict["PORT"]

    def go() -> None:
        connection.close()
        connection.settings_dict["PORT"] = "1"

    yield go
    connection.close()
    connection.settings_dict["PORT"] = port


def test_an_unreachable_database_is_a_503_with_retry_after(alice: User, away: Any) -> None:
    caller = client_with(*Scope)
    assert caller.post("/api/v1/notifications/", body(alice), format="json").status_code == 202
    away()
    answer = caller.post("/api/v1/notifications/", body(alice), format="json")
    assert assert_problem(answer, 503)["code"] == "unavailable"
    assert answer["Retry-After"] == "5"
