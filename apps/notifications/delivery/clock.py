"""The time of the database's clock, which all processes share."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class DatabaseClock:
    """A time read from the database once and advanced with the local monotonic clock.

    Processes on several machines compare leases and due times, and their own clocks may differ by
    any amount. A process whose clock was an hour ahead took back leases that had just begun.

    Attributes:
        at: The database's time when it was read, UTC.
        read_at: ``time.monotonic()`` at that moment.
    """

    at: datetime
    read_at: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """Return the current time of the database's clock, UTC."""
        return self.at + timedelta(seconds=time.monotonic() - self.read_at)
