"""What stays of notifications that leave: how many of a day ended in which way."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db.models import F

from apps.notifications.models import DailyCount


class Group(NamedTuple):
    """What is counted together."""

    day: date
    client: str
    kind: str
    channel: str
    template_code: str
    status: str
    reason: str


def day_of(moment: datetime) -> date:
    """Return the UTC day of a moment."""
    return moment.astimezone(UTC).date()


def add(groups: Iterable[Group]) -> None:
    """Count notifications, one group for each, inside the transaction that deletes them.

    The rows are touched in one order, so that two who count wait for each other and go on.
    """
    counted = sorted(Counter(groups).items())
    DailyCount.objects.bulk_create(
        [DailyCount(**group._asdict(), count=0) for group, _ in counted], ignore_conflicts=True
    )
    for group, count in counted:
        DailyCount.objects.filter(**group._asdict()).update(count=F("count") + count)
