"""A chunk costs the same number of SQL statements whatever its size."""

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.users.models import User
from tests.notifications.delivering import deliver
from tests.notifications.factories import SEPARATE_COUNTS, accepted, person

pytestmark = pytest.mark.django_db


def crowd(count: int, kind: str = "user") -> list[User]:
    return [
        person(f"{kind}{place}", tokens=(f"{kind}-{place}",), email=f"{kind}+{place}@example.com")
        for place in range(count)
    ]


# SQLite takes 999 values in one statement, so beyond 76 rows Django writes two inserts.
WHOLE_CHUNK = 100 if connection.vendor == "postgresql" else 75


@pytest.mark.parametrize("count", [1, WHOLE_CHUNK])
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.PUSH])
def test_a_chunk_that_is_delivered_costs_thirteen_statements(
    welcome: None,
    django_assert_num_queries: DjangoAssertNumQueries,
    channel: Channel,
    count: int,
) -> None:
    rows = [accepted(user, notification_type=channel.value) for user in crowd(count)]
    # Claim: 1 savepoint, 2 update and return, 3 release.
    # Prepare: 4 users, 5 categories, 6 suppressions or devices, 7 template versions.
    # Send: 8 insert into the sandbox.
    # Record: 9 savepoint, 10 update, 11 insert receipts, 12 insert attempts and counts,
    # 13 release.
    with django_assert_num_queries(13 + SEPARATE_COUNTS):
        assert deliver(channel=channel, ids=[row.pk for row in rows], attempt=0) == []
    assert Notification.objects.filter(status=Status.DELIVERED).count() == count


@pytest.mark.parametrize("count", [1, WHOLE_CHUNK])
def test_a_chunk_of_retries_costs_seventeen_statements(
    welcome: None, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    rows = [accepted(user) for user in crowd(count, "flaky")]
    # 1 to 7 as above; send: 8 which rows were tried before, 9 insert into the sandbox.
    # Record: 10 savepoint, 11 savepoint, 12 lock, 13 update, 14 insert events, 15 release,
    # 16 insert attempts and counts, 17 release.
    with django_assert_num_queries(17 + SEPARATE_COUNTS):
        deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    assert Notification.objects.filter(status=Status.RETRYING).count() == count


@pytest.mark.parametrize("count", [1, WHOLE_CHUNK])
def test_a_chunk_of_opted_out_users_costs_fifteen_statements(
    welcome: None, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    rows = [accepted(user) for user in crowd(count)]
    User.objects.update(email_enabled=False)
    # 1 to 7 as above; record: 8 savepoint, 9 savepoint, 10 lock, 11 update, 12 insert events,
    # 13 release, 14 insert counts, 15 release.
    with django_assert_num_queries(15):
        deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    assert Notification.objects.filter(status=Status.SKIPPED, reason="opted_out").count() == count


def test_a_message_that_claims_nothing_costs_four_statements(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = accepted(alice)
    # Savepoint, the claim, release, and the query for rows that are not yet due.
    with django_assert_num_queries(4):
        assert deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=3) == []
    assert Notification.objects.get().updated_at <= timezone.now()
