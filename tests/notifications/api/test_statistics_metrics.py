"""The statistics in ``/metrics``: counters that never fall, a histogram, and what waits."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.notifications.api.statistics_metrics import waiting
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.feedback.receipts import take
from apps.notifications.models import DeadLetter, Notification, StatisticsDelta
from apps.notifications.statistics.roll_up import roll_up
from apps.users.models import User
from tests.notifications.delivering import deliver_and_refresh
from tests.notifications.factories import accepted, person
from tests.notifications.lanes import Lanes

pytestmark = pytest.mark.django_db


@pytest.fixture
def figures(client: Client, lanes: Lanes) -> Any:
    def read() -> dict[str, float]:
        lines = client.get("/metrics").content.decode().splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    return read


def test_what_was_accepted_attempted_and_ended_is_counted(alice: User, figures: Any) -> None:
    deliver_and_refresh(accepted(alice))
    deliver_and_refresh(accepted(person("flaky")))

    found = figures()
    mail = 'channel="email",kind="live"'
    assert found[f"notifications_accepted_total{{{mail}}}"] == 2
    ended = 'channel="email",kind="live",reason="",status="delivered"'
    assert found[f"notifications_ended_total{{{ended}}}"] == 1
    calls = 'channel="email",kind="live",outcome="transient",provider="sandbox"'
    assert found[f"notifications_attempts_total{{{calls}}}"] == 1
    assert found[f"notifications_retries_total{{{mail}}}"] == 1


def test_a_counter_does_not_fall_when_an_ending_is_replaced(alice: User, figures: Any) -> None:
    row = accepted(alice)
    Notification.objects.filter(pk=row.pk).update(status="sent", attempts=1)
    StatisticsDelta.objects.update(counts={"accepted": 1, "ended/sent/": 1})
    roll_up()
    now = timezone.now()
    take(row, ProviderEvent(provider="smtp", event=ReceiptEvent.DELIVERED, occurred_at=now))

    found = figures()
    labels = 'channel="email",kind="live",reason="",status='
    assert found[f'notifications_ended_total{{{labels}"sent"}}'] == 1
    assert found[f'notifications_ended_total{{{labels}"delivered"}}'] == 1


def test_the_time_to_deliver_is_a_histogram(alice: User, figures: Any) -> None:
    row = accepted(alice)
    StatisticsDelta.objects.update(
        counts={"latency/0": 1, "latency/24": 2, "latency/25": 3, "latency_sum_ms": 500}
    )

    found = figures()
    name, labels = "notifications_time_to_deliver_seconds", 'channel="email",kind="live"'
    bounds = ("0.016", "0.064", "0.128", "4194.304", "+Inf")
    buckets = [found[f'{name}_bucket{{channel="email",kind="live",le="{le}"}}'] for le in bounds]
    # 2^(24/4) milliseconds are 64: the bound of bin 24 is in the bucket, that of bin 25 is not.
    assert buckets == [1, 3, 6, 6, 6]
    assert found[f"{name}_count{{{labels}}}"] == 6
    assert found[f"{name}_sum{{{labels}}}"] == 0.5
    assert row.pk


def test_the_oldest_pending_notification_and_open_dead_letters(alice: User) -> None:
    old, scheduled, now = accepted(alice), accepted(alice), timezone.now()
    Notification.objects.filter(pk=old.pk).update(updated_at=now - timedelta(seconds=90))
    Notification.objects.filter(pk=scheduled.pk).update(
        status="scheduled", updated_at=now - timedelta(hours=1)
    )
    DeadLetter.objects.create(message_id="a", reason="poison")
    DeadLetter.objects.create(message_id="b", reason="poison", state="discarded")

    oldest, letters = (
        {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in waiting(now=now)
    )
    assert oldest == {("email",): 90.0, ("push",): 0.0}
    assert letters == {("live",): 1, ("test",): 0}
