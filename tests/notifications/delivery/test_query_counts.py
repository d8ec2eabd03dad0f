"""A chunk costs the same number of statements whatever its size."""

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.notifications.delivery.deliver import deliver
from apps.notifications.models import Notification
from apps.notifications.queues import Channel
from apps.notifications.states import Status
from apps.users.models import User
from tests.notifications.cast import accepted, person

pytestmark = pytest.mark.django_db


def crowd(count: int, kind: str = "user") -> list[User]:
    return [
        person(f"{kind}{place}", tokens=(f"{kind}-{place}",), email=f"{kind}+{place}@example.com")
        for place in range(count)
    ]


# SQLite takes 999 values in one statement, so that beyond 76 rows Django writes two inserts.
WHOLE_CHUNK = 100 if connection.vendor == "postgresql" else 75


@pytest.mark.parametrize("count", [1, WHOLE_CHUNK])
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.PUSH])
def test_a_chunk_that_goes_well(
    welcome: None,
    django_assert_num_queries: DjangoAssertNumQueries,
    channel: Channel,
    count: int,
) -> None:
    rows = [accepted(user, notification_type=channel.value) for user in crowd(count)]
    # Claim: 1 savepoint, 2 update, 3 release, 4 the claimed rows.
    # Prepare: 5 users, 6 devices, 7 categories, 8 suppressions, 9 template versions.
    # Send: 10 insert into the sandbox.
    # Record: 11 savepoint, 12 insert attempts, 13 update, 14 insert receipts, 15 release.
    with django_assert_num_queries(15):
        assert deliver(channel=channel, ids=[row.pk for row in rows], attempt=0) == []
    assert Notification.objects.filter(status=Status.DELIVERED).count() == count


@pytest.mark.parametrize("count", [1, WHOLE_CHUNK])
def test_a_chunk_of_retries(
    welcome: None, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    rows = [accepted(user) for user in crowd(count, "flaky")]
    # 1 to 9 as above; send: 10 who was tried before, 11 insert into the sandbox.
    # Record: 12 savepoint, 13 insert attempts, 14 savepoint, 15 lock, 16 update, 17 insert
    # events, 18 and 19 release.
    with django_assert_num_queries(19):
        deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    assert Notification.objects.filter(status=Status.RETRYING).count() == count


@pytest.mark.parametrize("count", [1, WHOLE_CHUNK])
def test_a_chunk_that_nobody_wants(
    welcome: None, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    rows = [accepted(user) for user in crowd(count)]
    User.objects.update(email_enabled=False)
    # 1 to 9 as above; record: 10 savepoint, 11 savepoint, 12 lock, 13 update, 14 insert events,
    # 15 and 16 release.
    with django_assert_num_queries(16):
        deliver(channel=Channel.EMAIL, ids=[row.pk for row in rows], attempt=0)
    assert Notification.objects.filter(status=Status.SKIPPED, reason="opted_out").count() == count


def test_a_message_that_finds_nothing(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = accepted(alice)
    # Savepoint, the claim, release, and the search for early ones.
    with django_assert_num_queries(4):
        assert deliver(channel=Channel.EMAIL, ids=[row.pk], attempt=3) == []
    assert Notification.objects.get().updated_at <= timezone.now()
