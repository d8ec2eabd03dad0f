"""A bounded in-process memory of a few seconds, for look-ups that every request makes."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

# What ends within this part of the while is worth reading again beside something else.
SOON_SHARE = 0.2


@dataclass(slots=True)
class _Entry(Generic[Value]):
    """A value, until when it is remembered, and whether anybody has asked for it since."""

    value: Value
    until: float
    asked_for: bool = False


class TtlCache(Generic[Key, Value]):
    """Remembers values for a while. Another process's change is seen when the while is over.

    Args:
        seconds: For how long a value is remembered.
        size: How many are remembered at most.
        clock: Seconds that never go back.
    """

    def __init__(
        self, *, seconds: float, size: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        # In the order in which they end, because every value is remembered for as long.
        self._entries: dict[Key, _Entry[Value]] = {}

    def get(self, key: Key) -> Value | None:
        """Return what is remembered; None for nothing."""
        entry = self._entries.get(key)
        if entry is None or entry.until <= self._clock():
            return None
        entry.asked_for = True
        return entry.value

    def ending(self, limit: int) -> list[Key]:
        """Return what somebody has asked for and is about to be forgotten, or just was.

        Who has to read something anyway reads these as well, and saves a read for each. What has
        ended and nobody asked for is dropped.

        Args:
            limit: How many at most.
        """
        now = self._clock()
        soon = now + self._seconds * SOON_SHARE
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
        """Remember a value; where memory is full, forget the oldest tenth."""
        with self._lock:
            if len(self._entries) >= self._size:
                for oldest in list(self._entries)[: max(1, self._size // 10)]:
                    del self._entries[oldest]
            self._entries.pop(key, None)
            self._entries[key] = _Entry(value, self._clock() + self._seconds)

    def forget(self, key: Key) -> None:
        """Forget one value."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
