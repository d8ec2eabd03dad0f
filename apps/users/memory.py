"""A bounded in-process memory of a few seconds, for look-ups that every request makes."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
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
        self._entries: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """Return what is remembered; None for nothing."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock():
            return None
        return entry[1]

    def put(self, key: Key, value: Value) -> None:
        """Remember a value; where memory is full, forget the oldest tenth."""
        with self._lock:
            if len(self._entries) >= self._size:
                for oldest in list(self._entries)[: max(1, self._size // 10)]:
                    del self._entries[oldest]
            self._entries.pop(key, None)
            self._entries[key] = (self._clock() + self._seconds, value)

    def forget(self, key: Key) -> None:
        """Forget one value."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
