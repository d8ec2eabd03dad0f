"""Small values that all processes share: in Redis, or in this process where there is none."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import WatchError

from apps.common.throttling.counters import REDIS_AWAY, Outage

TRIES = 50
# Those who meet at one value step apart by up to this long a try, or they meet again.
STEP_APART_SECONDS = 0.001

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class StateType(Generic[Value]):
    """One kind of shared value, each a frozen dataclass of plain fields.

    Attributes:
        prefix: What its keys in Redis begin with.
        read: Makes a value of its fields; without any, the one that nobody has written yet.
        forgotten_seconds: What nobody has written for this long begins anew,
        lasting: unless it is one of those that stay until they are written again.
    """

    prefix: str
    read: Callable[[dict[str, Any]], Value]
    forgotten_seconds: int
    lasting: Callable[[Value], bool] = lambda _: False

    def expiry(self, value: Value) -> int | None:
        """Return the seconds that a value is kept for; None for good."""
        return None if self.lasting(value) else self.forgotten_seconds

    def parsed(self, text: Any) -> Value:
        """Read a value as kept; one of another version of the code begins anew."""
        try:
            return self.read(json.loads(text) if text else {})
        except (ValueError, TypeError, KeyError):
            return self.read({})


class Values(Protocol[Value]):
    """Keeps the values of one kind by name."""

    def read(self, name: str) -> Value:
        """Return a value."""

    def update(self, name: str, change: Callable[[Value], Value]) -> Value:
        """Apply a change so that no other's is lost, and return the value afterwards."""


class LocalValues(Generic[Value]):
    """Keeps values in this process."""

    def __init__(self, kind: StateType[Value]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._values: dict[str, Value] = {}

    def read(self, name: str) -> Value:
        """Return a value."""
        found = self._values.get(name)
        return self._kind.read({}) if found is None else found

    def update(self, name: str, change: Callable[[Value], Value]) -> Value:
        """Apply a change under the lock."""
        with self._lock:
            changed = self._values[name] = change(self.read(name))
        return changed


class RedisValues(Generic[Value]):
    """Keeps values in Redis; a change that meets another one is applied again."""

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
        """Apply a change.

        Raises:
            RedisError: Redis does not answer, or others were faster every time.
        """
        key = self._kind.prefix + name
        with self._redis.pipeline() as pipe:
            for tries in range(TRIES):
                try:
                    pipe.watch(key)  # type: ignore[no-untyped-call] # Untyped there.
                    before = self._kind.parsed(pipe.get(key))
                    after: Any = change(before)
                    if after != before:
                        pipe.multi()
                        pipe.set(key, json.dumps(asdict(after)), ex=self._kind.expiry(after))
                        pipe.execute()
                except WatchError:
                    time.sleep(random.uniform(0, STEP_APART_SECONDS * (tries + 1)))  # noqa: S311 - no secret.
                    continue
                return after  # type: ignore[no-any-return] # A Value, in asdict's words a dataclass.
        raise WatchError(name)


class SharedState(Generic[Value]):
    """Keeps values in Redis where there is one and it answers, else in this process.

    Args:
        kind: What is kept.
        consequence: What it means that Redis does not answer, for the log.
    """

    def __init__(self, kind: StateType[Value], *, consequence: str) -> None:
        self._kind = kind
        self._consequence = consequence
        self.forget()

    def forget(self) -> None:
        """Forget what this process keeps, as a new one would; for tests."""
        self._local = LocalValues(self._kind)
        self._outage = Outage(consequence=self._consequence)

    def read(self, name: str) -> Value:
        """Return a value."""
        return self._ask(lambda values: values.read(name))

    def update(self, name: str, change: Callable[[Value], Value]) -> Value:
        """Apply a change so that no other's is lost, and return the value afterwards."""
        return self._ask(lambda values: values.update(name, change))

    def _ask(self, question: Callable[[Values[Value]], Value]) -> Value:
        if not settings.REDIS_URL or self._outage.lasts():
            return question(self._local)
        try:
            return question(RedisValues(get_redis_connection("default"), self._kind))
        except REDIS_AWAY as error:
            self._outage.begin(error)
            return question(self._local)
