"""Small values that all processes share in Redis; in-process if there is no Redis."""

import json
import threading
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


@dataclass(frozen=True, kw_only=True)
class StateType(Generic[Value]):
    """One type of shared value. The values are frozen dataclasses with plain fields.

    Attributes:
        prefix: The prefix of its keys in Redis.
        read: Creates a value from a dict of its fields; an empty dict gives the initial value.
        forgotten_seconds: The TTL in seconds after the last write; then the value is reset.
        lasting: Returns whether a value has no TTL and is kept until the next write.
    """

    prefix: str
    read: Callable[[dict[str, Any]], Value]
    forgotten_seconds: int
    lasting: Callable[[Value], bool] = lambda _: False

    def expiry(self, value: Value) -> int | None:
        """Return the TTL of a value in seconds; None if it does not expire."""
        return None if self.lasting(value) else self.forgotten_seconds

    def parsed(self, text: Any) -> Value:
        """Parse a stored value; reset one that another version of the code has written."""
        try:
            return self.read(json.loads(text) if text else {})
        except (ValueError, TypeError, KeyError):
            return self.read({})


class Values(Protocol[Value]):
    """A store for the values of one type, by name."""

    def read(self, name: str) -> Value:
        """Return a value."""

    def update(self, name: str, change: Callable[[Value], Value]) -> Value:
        """Apply a change without losing concurrent changes, and return the new value."""


class LocalValues(Generic[Value]):
    """A store in this process."""

    def __init__(self, kind: StateType[Value]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._values: dict[str, Value] = {}

    def read(self, name: str) -> Value:
        """Return a value."""
        found = self._values.get(name)
        return self._kind.read({}) if found is None else found

    def update(self, name: str, change: Callable[[Value], Value]) -> Value:
        """Apply a change under the lock and return the new value."""
        with self._lock:
            changed = self._values[name] = change(self.read(name))
        return changed


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

    def update(self, name: str, change: Callable[[Value], Value]) -> Value:
        """Apply a change and return the new value.

        Raises:
            RedisError: Redis does not answer, or every try conflicted with a concurrent change.
        """
        key = self._kind.prefix + name
        text: Any = self._redis.get(key)
        for _ in range(TRIES):
            before = self._kind.parsed(text)
            after: Any = change(before)
            if after == before:
                return before
            new, seconds = json.dumps(asdict(after)), self._kind.expiry(after) or ""
            found: Any = self._redis.eval(COMPARE_AND_SET, 1, key, text or "", new, seconds)
            if found is None:
                return after  # type: ignore[no-any-return] # A Value; Any because asdict needs a dataclass.
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
        self._outage = Outage(consequence=self._consequence)

    def read(self, name: str) -> Value:
        """Return a value."""
        return self._ask(lambda values: values.read(name))

    def update(self, name: str, change: Callable[[Value], Value]) -> Value:
        """Apply a change without losing concurrent changes, and return the new value."""
        with self._changing:
            return self._ask(lambda values: values.update(name, change))

    def _ask(self, question: Callable[[Values[Value]], Value]) -> Value:
        if not settings.REDIS_URL or self._outage.lasts():
            return question(self._local)
        try:
            return question(RedisValues(get_redis_connection("default"), self._kind))
        except REDIS_ERRORS as error:
            self._outage.begin(error)
            return question(self._local)
