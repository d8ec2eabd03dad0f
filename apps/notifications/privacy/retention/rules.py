"""The retention rules: the installation's default number of days, or a client's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from apps.notifications.models import RetentionRule


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The retention rules at one point in time.

    Attributes:
        now: The current time, UTC.
        days: How many days notifications are kept after their last change.
        by_client: The number of days for clients with their own rule.
    """

    now: datetime
    days: int
    by_client: Mapping[str, int]

    def limit(self, client: str = "") -> datetime:
        """Return the cutoff: a client's notification last changed before this is old."""
        return self.now - timedelta(days=self.by_client.get(client, self.days))


def load(now: datetime) -> Rules:
    """Read the current rules."""
    by_client = dict(RetentionRule.objects.values_list("client", "days"))
    return Rules(now=now, days=settings.RETENTION_DAYS, by_client=by_client)
