"""Tokens that this process has taken and not yet spent."""

import threading
import time

from apps.notifications.broker.topology import Urgency

# A lease is what flows in over this part of a second: enough for those who come one by one, and
# little for the other processes to miss.
LEASE_PART_SECONDS = 0.05
# What is not spent by then is lost, so that a lull does not end in a burst.
LEASE_SECONDS = 0.5

Key = tuple[str, Urgency]


class Leases:
    """Keeps the leases of this process, one for each provider and urgency."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[Key, tuple[int, float]] = {}

    def spend(self, key: Key, *, wanted: int) -> int:
        """Spend up to so many, and return how many there were."""
        with self._lock:
            left, until = self._left.get(key, (0, 0.0))
            spent = min(left, wanted) if time.monotonic() < until else 0
            self._left[key] = (left - spent, until)
        return spent

    def add(self, key: Key, count: int) -> None:
        """Keep what was taken from the bucket and is not needed now."""
        with self._lock:
            left, until = self._left.get(key, (0, 0.0))
            now = time.monotonic()
            self._left[key] = ((left if now < until else 0) + count, now + LEASE_SECONDS)
