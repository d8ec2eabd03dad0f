"""The admin's list of notifications: found by ids, in one order, without counts of everything."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.factories import accepted

pytestmark = pytest.mark.django_db

URL = "/admin/notifications/notification/"


@pytest.fixture
def admin(client: Client) -> Client:
    root: Any = get_user_model().objects.create_superuser(email="root@example.com", password="x")
    client.force_login(root)
    return client


def shown(answer: Any) -> list[Any]:
    return [row.pk for row in answer.context["cl"].result_list]


@pytest.mark.parametrize("column", ["pk", "user_id", "correlation_id", "request_id"])
def test_a_search_finds_each_id_in_full(admin: Client, alice: User, bob: User, column: str) -> None:
    row = accepted(alice, request_id="order-1")
    accepted(bob, request_id="order-2")
    Notification.objects.filter(pk=row.pk).update(correlation_id="trace-1")
    row.refresh_from_db()

    answer = admin.get(URL, {"q": str(getattr(row, column))})

    assert shown(answer) == [row.pk]


def test_no_column_sorts_the_whole_table(admin: Client, alice: User) -> None:
    accepted(alice)
    page = admin.get(URL).content.decode()

    assert "?o=" not in page
    assert "_facets" not in page


def test_rare_statuses_are_filtered_newest_first(admin: Client, alice: User) -> None:
    rows = [accepted(alice) for _ in range(3)]
    Notification.objects.filter(pk__in=[rows[0].pk, rows[2].pk]).update(status="failed")

    assert shown(admin.get(URL, {"status__exact": "failed"})) == [rows[2].pk, rows[0].pk]
