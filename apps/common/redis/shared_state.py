"""Small values that all processes share in Redis; in-process if there is no Redis."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import WatchError

from apps.common.throttling.counters import REDIS_ERRORS, Outage

# A conflict means that another process succeeded. The next try follows at once: with a random wait,
# one of two processes lost 50 times in a row while the other one changed the value all the time.
TRIES = 1000

# Writes ARGV[2] for ARGV[3] seconds if the stored value still is ARGV[1], and returns nothing; else
# returns the stored value, to which the change is applied again.
COMPARE_AND_SET = """
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[1] then return stored end
if ARGV[3] == '' then
    redis.call('SET', KEYS[1], ARGV[2])
else
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
"""

Value = TypeVar("Value")
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class StateType(Generic[Value]):
    """One type of shared value. The values are frozen dataclasses with plain fields.

    Attributes:
        prefix: The prefix of its keys in Redis.
        read: Creates a value from its fields; without any it gives the initial value.
        forgotten_seconds: The TTL in seconds after the last write; then the value is reset.
        lasting: Returns whether a value has no TTL and is kept until the next write.
    """

    prefix: str
    read: Callable[..., Value]
    forgotten_seconds: int
    lasting: Callable[[Value], bool] = lambda _: False

    def expiry(self, value: Value) -> int | None:
        """Return the TTL of a value in seconds; None if it does not expire."""
        return None if self.lasting(value) else self.forgotten_seconds

    def parsed(self, text: Any) -> Value:
        """Parse a stored value; reset one that another version of the code has written."""
        try:
            return self.read(**(json.loads(text) if text else {}))
        except (ValueError, TypeError, KeyError):
            return self.read()


class Values(Protocol[Value]):
    """A store for the values of one type, by name."""

    def read(self, name: str) -> Value:
        """Return a value."""

    def update(self, name: str, change: Callable[[Value], Value]) -> tuple[Value, Value]:
        """Apply a change without losing concurrent ones; return the values before and after."""


class LocalValues(Generic[Value]):
    """A store in this process."""

    def __init__(self, kind: StateType[Value]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._values: dict[str, Value] = {}

    def read(self, name: str) -> Value:
        """Return a value."""
        found = self._values.get(name)
        return self._kind.read() if found is None else found

    def update(self, name: str, change: Callable[[Value], Value]) -> tuple[Value, Value]:
        """Apply a change under the lock; return the values before and after."""
        with self._lock:
            before = self.read(name)
            after = self._values[name] = change(before)
        return before, after


class RedisValues(Generic[Value]):
    """A store in Redis. A change that conflicts with a concurrent one is retried."""

    def __init__(self, redis: "Redis", kind: StateType[Value]) -> None:
        self._redis = redis
        self._kind = kind

    def read(self, name: str) -> Value:
        """Return a value.

        Raises:
            RedisError: Redis does not answer.
        """
        return self._kind.parsed(self._redis.get(self._kind.prefix + name))

    def update(self, name: str, change: Callable[[Value], Value]) -> tuple[Value, Value]:
        """Apply a change; return the values before and after.

        Raises:
            RedisError: Redis does not answer, or every try conflicted with a concurrent change.
        """
        key = self._kind.prefix + name
        text: Any = self._redis.get(key)
        for _ in range(TRIES):
            before = self._kind.parsed(text)
            after: Any = change(before)  # A Value; Any because asdict needs a dataclass.
            if after == before:
                return before, before
            new, seconds = json.dumps(asdict(after)), self._kind.expiry(after) or ""
            found: Any = self._redis.eval(COMPARE_AND_SET, 1, key, text or "", new, seconds)
            if found is None:
                return before, after
            text = found
        raise WatchError(name)


class SharedState(Generic[Value]):
    """A store in Redis; in this process if Redis is not configured or does not answer.

    Args:
        kind: The type of the values.
        consequence: The effect of a Redis outage, for the log.
    """

    def __init__(self, kind: StateType[Value], *, consequence: str) -> None:
        self._kind = kind
        self._consequence = consequence
        # The threads of a process change values one after the other, so that only processes
        # conflict. Without this lock 96 threads of four processes exceeded 50 tries.
        self._changing = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Forget what this process keeps, as a new one would; for tests."""
        self._local = LocalValues(self._kind)
        self._cached: dict[str, tuple[float, Value]] = {}
        self._outage = Outage(consequence=self._consequence)

    @property
    def is_cut_off(self) -> bool:
        """Whether values are those of this process, because Redis did not answer the last time."""
        return bool(settings.REDIS_URL) and self._outage.lasts()

    def read(self, name: str, *, cached_seconds: float = 0.0) -> Value:
        """Return a value, which this process may have read or written so many seconds ago."""
        cached = self._cached.get(name)
        if cached is None or time.monotonic() - cached[0] >= cached_seconds:
            value = self._ask(lambda values: values.read(name))
            cached = self._cached[name] = time.monotonic(), value
        return cached[1]

    def update(self, name: str, change: Callable[[Value], Value]) -> tuple[Value, Value]:
        """Apply a change without losing concurrent ones; return the values before and after."""
        with self._changing:
            before, after = self._ask(lambda values: values.update(name, change))
            self._cached[name] = time.monotonic(), after
        return before, after

    def exchange(self, name: str, change: Callable[[Value], tuple[Value, Answer]]) -> Answer:
        """Apply a change as ``update`` does, and return what it gives besides the new value."""
        answers: list[Answer] = []

        def changed(value: Value) -> Value:
            after, answer = change(value)
            answers.append(answer)
            return after

        self.update(name, changed)
        return answers[-1]

    def _ask(self, question: Callable[[Values[Value]], Answer]) -> Answer:
        if not settings.REDIS_URL or self._outage.lasts():
            return question(self._local)
        try:
            return question(RedisValues(get_redis_connection("default"), self._kind))
        except REDIS_ERRORS as error:
            self._outage.begin(error)
            return question(self._local)
