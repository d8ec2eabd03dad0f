"""Daily counts by final status, which are kept when notifications are purged."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db.models import F

from apps.notifications.models import DailyCount


class Group(NamedTuple):
    """The key of one count."""

    day: date
    client: str
    kind: str
    channel: str
    template_code: str
    status: str
    reason: str


def day_of(moment: datetime) -> date:
    """Return the UTC date of a time."""
    return moment.astimezone(UTC).date()


def add(groups: Iterable[Group]) -> None:
    """Add notifications to the counts, one group each, in the transaction that deletes them.

    The count rows are updated in sorted order, so that concurrent processes cannot deadlock.
    """
    counted = sorted(Counter(groups).items())
    DailyCount.objects.bulk_create(
        [DailyCount(**group._asdict(), count=0) for group, _ in counted], ignore_conflicts=True
    )
    for group, count in counted:
        DailyCount.objects.filter(**group._asdict()).update(count=F("count") + count)
