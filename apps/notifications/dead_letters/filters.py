"""Filter dead letters by reason, channel, provider, template and time."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.db.models import QuerySet

from apps.common.ids import first_id_at
from apps.notifications.models import DeadLetter

# Ids contain their creation time, which differs slightly from ``recorded_at``. The id range only
# limits the part of the index to scan; the column decides.
SLACK = timedelta(minutes=1)
FIRST_TIME = datetime(1971, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """The criteria for dead letters; None means no restriction.

    Attributes:
        since: The earliest time of recording, inclusive, UTC.
        until: The end of the time range, exclusive, UTC.
    """

    reason: str | None = None
    channel: str | None = None
    provider: str | None = None
    template_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def narrow(self, letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        """Return the letters that match."""
        columns = ("reason", "channel", "provider", "template_code")
        given = {name: value for name in columns if (value := getattr(self, name)) is not None}
        letters = letters.filter(**given)
        if self.since is not None:
            first = first_id_at(max(self.since, FIRST_TIME) - SLACK)
            letters = letters.filter(recorded_at__gte=self.since, pk__gte=first)
        if self.until is not None:
            beyond = first_id_at(min(self.until, LAST_TIME) + SLACK)
            letters = letters.filter(recorded_at__lt=self.until, pk__lt=beyond)
        return letters

    def as_json(self) -> dict[str, str]:
        """Return the given criteria as JSON values."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def from_json(cls, written: dict[str, Any]) -> Self:
        """Build a filter from the result of ``as_json``."""
        times = ("since", "until")
        given: dict[str, Any] = {
            name: datetime.fromisoformat(value) if name in times else value
            for name, value in written.items()
        }
        return cls(**given)
