"""Where breakers are kept: in Redis for all processes, or in this one."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import structlog
from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import WatchError

from apps.common.throttling.counters import REDIS_AWAY, Outage
from apps.notifications.breakers.circuit import Circuit, Forced, State

log = structlog.get_logger(__name__)

Change = Callable[[Circuit], Circuit]

KEY_PREFIX = "notifications:breaker:"
# A breaker that nobody has used for this long is closed again.
FORGOTTEN_SECONDS = 24 * 3600
TRIES = 50
# Those who meet at one breaker step apart by up to this long a try, or they meet again.
STEP_APART_SECONDS = 0.001


class Store(Protocol):
    """Keeps breakers by name."""

    def read(self, name: str) -> Circuit:
        """Return a breaker; a new one is closed."""

    def update(self, name: str, change: Change) -> Circuit:
        """Apply a change so that no other's is lost, and return the breaker afterwards."""


class LocalStore:
    """Keeps breakers in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._circuits: dict[str, Circuit] = {}

    def read(self, name: str) -> Circuit:
        """Return a breaker."""
        return self._circuits.get(name, Circuit())

    def update(self, name: str, change: Change) -> Circuit:
        """Apply a change under the lock."""
        with self._lock:
            changed = self._circuits[name] = change(self.read(name))
        return changed


class RedisStore:
    """Keeps breakers in Redis; a change that meets another one is applied again."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def read(self, name: str) -> Circuit:
        """Return a breaker.

        Raises:
            RedisError: Redis does not answer.
        """
        return _parsed(self._redis.get(KEY_PREFIX + name))

    def update(self, name: str, change: Change) -> Circuit:
        """Apply a change.

        Raises:
            RedisError: Redis does not answer, or others were faster every time.
        """
        key = KEY_PREFIX + name
        with self._redis.pipeline() as pipe:
            for tries in range(TRIES):
                try:
                    pipe.watch(key)  # type: ignore[no-untyped-call] # Untyped there.
                    before = _parsed(pipe.get(key))
                    after = change(before)
                    if after != before:
                        pipe.multi()
                        pipe.set(key, json.dumps(asdict(after)), ex=FORGOTTEN_SECONDS)
                        pipe.execute()
                except WatchError:
                    time.sleep(random.uniform(0, STEP_APART_SECONDS * (tries + 1)))  # noqa: S311 - no secret.
                    continue
                return after
        raise WatchError(name)


class SharedStore:
    """Redis where there is one and it answers, else this process."""

    def __init__(self) -> None:
        self._local = LocalStore()
        self._outage = Outage(consequence="each process has breakers of its own: no Redis")

    def read(self, name: str) -> Circuit:
        """Return a breaker."""
        return self._ask(lambda store: store.read(name))

    def update(self, name: str, change: Change) -> Circuit:
        """Apply a change."""
        return self._ask(lambda store: store.update(name, change))

    def _ask(self, question: Callable[[Store], Circuit]) -> Circuit:
        if not settings.REDIS_URL or self._outage.lasts():
            return question(self._local)
        try:
            return question(RedisStore(get_redis_connection("default")))
        except REDIS_AWAY as error:
            self._outage.begin(error)
            return question(self._local)


def _parsed(text: Any) -> Circuit:
    """Read a breaker; one of another version of the code begins anew."""
    if not text:
        return Circuit()
    try:
        fields = json.loads(text)
        fields["state"], fields["forced"] = State(fields["state"]), Forced(fields["forced"])
        return Circuit(**fields)
    except (ValueError, TypeError, KeyError):
        return Circuit()
