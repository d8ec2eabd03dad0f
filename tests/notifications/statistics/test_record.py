"""Counts are stored with what they count: both or none, and once."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from apps.common.channels import Channel
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.feedback.receipts import take
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification, StatisticsDelta
from apps.notifications.scheduler import sweep
from apps.notifications.statistics import counters
from apps.users.models import Device, User
from tests.fakes.fixtures import point_at_smtp
from tests.notifications.delivering import deliver, deliver_and_refresh
from tests.notifications.delivery.fault_injection import (
    CallbackSmtpServer,
    lose_the_connection,
    run_before_statements,
    taken_back,
)
from tests.notifications.factories import accepted, make_overdue
from tests.notifications.statistics.stored import (
    counted,
    counted_attempts,
    expected,
    expected_attempts,
)

# The sweep takes no row without the lanes.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("lanes")]


@pytest.fixture
def smtp(settings: Any) -> Iterator[CallbackSmtpServer]:
    settings.EMAIL_PROVIDERS = ["smtp"]
    with CallbackSmtpServer() as server:
        point_at_smtp(settings, server)
        yield server


def names() -> Counter[str]:
    found = Counter[str]()
    for row in StatisticsDelta.objects.all():
        found.update(row.counts)
    return found


def lose_it_after_the_commit() -> None:
    transaction.on_commit(lose_the_connection)


@pytest.mark.parametrize("harm", [lose_the_connection, lose_it_after_the_commit])
def test_a_record_that_is_repeated_counts_once(
    alice: User, smtp: CallbackSmtpServer, harm: Callable[[], None]
) -> None:
    row = accepted(alice)
    with run_before_statements('"notifications_attempt"', times=1, action=harm):
        deliver_and_refresh(row)

    assert counted() == expected()
    assert counted_attempts() == Counter({"smtp/accepted": 1})


def test_a_rollback_takes_the_counts_with_it(alice: User) -> None:
    with transaction.atomic():
        accepted(alice)
        transaction.set_rollback(True)

    assert not StatisticsDelta.objects.exists()


def test_a_row_that_the_claim_has_lost_is_not_counted_as_ended(
    alice: User, bob: User, smtp: CallbackSmtpServer
) -> None:
    rows = [accepted(alice), accepted(bob)]
    smtp.on_next_mail = taken_back(rows[0], Status.SKIPPED, reason="opted_out")
    deliver_and_refresh(*rows)

    assert [row.status for row in rows] == [Status.SKIPPED, Status.SENT]
    assert names()["ended/sent/"] == 1
    assert counted_attempts() == Counter({"smtp/accepted": 2})


def test_a_late_receipt_moves_the_ending(alice: User, smtp: CallbackSmtpServer) -> None:
    row = accepted(alice)
    deliver_and_refresh(row)
    event = ProviderEvent(provider="smtp", event=ReceiptEvent.DELIVERED, occurred_at=timezone.now())

    take(row, event)

    assert (names()["ended/sent/"], names()["replaced/sent/"]) == (1, 1)
    assert names()["ended/delivered/"] == 1
    assert counted() == expected()


def test_a_receipt_for_one_of_several_devices_counts_its_call(alice: User) -> None:
    first = Device.objects.create(user=alice, token="first", platform="ios")
    Device.objects.create(user=alice, token="second", platform="ios")
    row = accepted(alice, notification_type="push")
    Notification.objects.filter(pk=row.pk).update(status="sending", crashes=1)
    event = ProviderEvent(
        provider="fcm",
        event=ReceiptEvent.DELIVERED,
        occurred_at=timezone.now(),
        device_id=first.pk,
    )

    take(row, event)

    assert counted_attempts() == expected_attempts() == Counter({"fcm/accepted": 1})


def test_the_time_to_deliver_begins_at_the_request_or_at_the_scheduled_time(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    now = timezone.now()
    at_once, scheduled = accepted(alice), accepted(alice)
    Notification.objects.filter(pk=at_once.pk).update(created_at=now - timedelta(seconds=100))
    Notification.objects.filter(pk=scheduled.pk).update(
        created_at=now - timedelta(days=1), scheduled_for=now - timedelta(seconds=10)
    )
    deliver(channel=Channel.EMAIL, ids=[at_once.pk, scheduled.pk], attempt=0)

    bins = sorted(int(number) for (number,), _ in counters.below(names(), counters.LATENCY))
    bounds = [counters.upper_milliseconds(number) / 1000 for number in bins]
    assert [10 <= bounds[0] <= 12.5, 100 <= bounds[1] <= 125] == [True, True]


def test_a_chunk_stores_one_row_for_each_client_channel_and_template(
    alice: User, bob: User, smtp: CallbackSmtpServer
) -> None:
    rows = [accepted(user) for user in (alice, bob, alice)]
    StatisticsDelta.objects.all().delete()

    deliver_and_refresh(*rows)

    (delta,) = StatisticsDelta.objects.all()
    assert (delta.client, delta.channel, delta.template_code) == ("shop", "email", "welcome")
    assert delta.counts["ended/sent/"] == delta.counts["attempts/smtp/accepted"] == 3


def test_retries_and_findings_of_the_sweep_are_counted(
    alice: User, smtp: CallbackSmtpServer
) -> None:
    smtp.answer("rcpt", "451 4.3.0 Try again")
    tried, lost, held = (accepted(alice) for _ in range(3))
    deliver_and_refresh(tried)
    make_overdue(lost)
    make_overdue(held, status=Status.SENDING)

    sweep.sweep()

    assert names()["retries"] == 1
    assert (names()["swept/pending"], names()["swept/sending"]) == (1, 1)
