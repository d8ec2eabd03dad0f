"""Which dead letters are meant: by reason, channel, provider, template and time."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.db.models import QuerySet

from apps.common.ids import first_id_at
from apps.notifications.models import DeadLetter

# Ids carry the time of their making, a moment apart from ``recorded_at``; they bound the range
# that the index serves, and the column decides.
SLACK = timedelta(minutes=1)
FIRST_TIME = datetime(1971, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What dead letters have in common; None does not narrow.

    Attributes:
        since: The first moment of recording that is meant, UTC.
        until: The first moment that is not.
    """

    reason: str | None = None
    channel: str | None = None
    provider: str | None = None
    template_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def narrow(self, letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        """Return those of the letters that match."""
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
        """Write down what is given."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def from_json(cls, written: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        times = ("since", "until")
        given: dict[str, Any] = {
            name: datetime.fromisoformat(value) if name in times else value
            for name, value in written.items()
        }
        return cls(**given)
