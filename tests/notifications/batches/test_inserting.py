"""Many rows go into the database as one array a column."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.users.models import User
from tests.notifications.cast import body

pytestmark = [pytest.mark.django_db, pytest.mark.services]


def test_a_bulk_call_inserts_its_rows_with_one_placeholder_a_column(
    shop: APIClient, alice: User
) -> None:
    rows: list[Any] = [body(alice) for _ in range(3)]
    with CaptureQueriesContext(connection) as captured:
        shop.post("/api/v1/notifications/bulk", {"notifications": rows}, format="json")
    (insert,) = [
        query["sql"]
        for query in captured.captured_queries
        if query["sql"].startswith('INSERT INTO "notifications_notification"')
    ]
    assert "UNNEST" in insert
