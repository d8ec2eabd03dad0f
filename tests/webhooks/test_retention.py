"""Old deliveries are deleted by the scheduler's purge, in rounds, as their client's rules say."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apps.common.ids import first_id_at
from apps.notifications.models import RetentionRule
from apps.notifications.privacy.retention.purge import ROUND_SECONDS, Purge
from apps.webhooks import retention
from apps.webhooks.models import Delivery, DeliveryState
from tests.notifications.privacy.retention.clock import Clock
from tests.webhooks.factories import registered_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ninety_days(settings: Any) -> None:
    settings.RETENTION_DAYS = 90


def deliveries(count: int, *, days: int, **columns: Any) -> list[UUID]:
    """Store deliveries that were made so many days ago."""
    endpoint = registered_webhook()
    at = timezone.now() - timedelta(days=days)
    first = first_id_at(at).int
    columns = {"state": DeliveryState.DELIVERED, "event": "notification.sent", **columns}
    made = Delivery.objects.bulk_create(
        Delivery(pk=UUID(int=first + number), endpoint_id=endpoint.pk, created_at=at, **columns)
        for number in range(count)
    )
    return [row.pk for row in made]


def test_a_round_deletes_one_step_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_ROWS", 10)
    deliveries(25, days=91)
    purge = Purge(clock=Clock(step=ROUND_SECONDS))
    left = []
    for _ in range(3):
        purge()
        left.append(Delivery.objects.count())
    assert left == [15, 5, 0]


def test_young_deliveries_and_those_that_wait_are_kept() -> None:
    young = deliveries(2, days=89)
    waiting = deliveries(2, days=91, state=DeliveryState.PENDING, wake_at=timezone.now())
    deliveries(2, days=92)
    Purge(clock=Clock())()
    assert set(Delivery.objects.values_list("pk", flat=True)) == {*young, *waiting}


def test_the_rule_of_the_client_holds_for_its_deliveries() -> None:
    RetentionRule.objects.create(client="shop", days=400)
    kept = deliveries(2, days=399)
    deliveries(2, days=401)
    Purge(clock=Clock())()
    assert set(Delivery.objects.values_list("pk", flat=True)) == set(kept)
