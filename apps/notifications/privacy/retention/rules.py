"""Until when notifications are kept: the installation's days, or a client's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from apps.notifications.models import RetentionRule


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is old.

    Attributes:
        now: The present, UTC.
        days: How long notifications are kept after their last change.
        by_client: Clients with another time.
    """

    now: datetime
    days: int
    by_client: Mapping[str, int]

    @property
    def newest(self) -> datetime:
        """Nothing that was asked for after this is old, whoever sent it."""
        return self.now - timedelta(days=min([self.days, *self.by_client.values()]))

    def limit(self, client: str = "") -> datetime:
        """Return when the last change of a client's notification makes it old."""
        return self.now - timedelta(days=self.by_client.get(client, self.days))


def load(now: datetime) -> Rules:
    """Read the rules as they stand."""
    by_client = dict(RetentionRule.objects.values_list("client", "days"))
    return Rules(now=now, days=settings.RETENTION_DAYS, by_client=by_client)
