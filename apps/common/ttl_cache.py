"""A bounded in-process cache with a TTL of a few seconds, for look-ups of every request."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

# An entry that expires within this part of the TTL is refreshed together with another read.
REFRESH_PART = 0.2


@dataclass(slots=True)
class _Entry(Generic[Value]):
    """A cached value, its expiry time, and whether it has been read since it was stored."""

    value: Value
    until: float
    asked_for: bool = False


class TtlCache(Generic[Key, Value]):
    """A cache with a TTL. A change by another process is visible when the TTL has expired.

    Args:
        seconds: The TTL of a value.
        size: The maximum number of values.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, *, seconds: float, size: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        # In the order of expiry, because all values have the same TTL.
        self._entries: dict[Key, _Entry[Value]] = {}

    def get(self, key: Key) -> Value | None:
        """Return the cached value; None if there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None or entry.until <= self._clock():
            return None
        entry.asked_for = True
        return entry.value

    def ending(self, limit: int) -> list[Key]:
        """Return keys that were read and have expired or will expire soon.

        A caller that has to query the database anyway reads these keys in the same query, which
        saves one query for each. Expired entries that were not read are removed.

        Args:
            limit: The maximum number of keys.
        """
        now = self._clock()
        soon = now + self._seconds * REFRESH_PART
        found: list[Key] = []
        with self._lock:
            for key, entry in list(islice(self._entries.items(), 2 * limit)):
                if entry.until > soon or len(found) == limit:
                    break
                if entry.asked_for:
                    found.append(key)
                elif entry.until <= now:
                    del self._entries[key]
        return found

    def put(self, key: Key, value: Value) -> None:
        """Store a value. If the cache is full, remove the oldest tenth."""
        with self._lock:
            if len(self._entries) >= self._size:
                for oldest in list(self._entries)[: max(1, self._size // 10)]:
                    del self._entries[oldest]
            self._entries.pop(key, None)
            self._entries[key] = _Entry(value, self._clock() + self._seconds)

    def forget(self, key: Key) -> None:
        """Remove one value."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._entries.clear()
