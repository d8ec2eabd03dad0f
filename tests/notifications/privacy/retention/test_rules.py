"""The rules of retention, and the days by which is counted."""

from datetime import date, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.notifications.models import RetentionRule
from apps.notifications.privacy.retention.counts import day_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("days", [29, 0, 36_501])
def test_no_rule_is_shorter_than_thirty_days_or_longer_than_a_century(days: int) -> None:
    with pytest.raises(ValidationError):
        RetentionRule(client="shop", days=days).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        RetentionRule.objects.create(client="shop", days=days)


def test_a_day_is_a_utc_day() -> None:
    late = datetime.fromisoformat("2026-01-01T23:30:00-05:00")
    assert day_of(late) == date(2026, 1, 2)
