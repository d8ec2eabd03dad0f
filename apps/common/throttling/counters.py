"""Counters of a rate limit window: shared in Redis, or local to this process."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from django.core.exceptions import ImproperlyConfigured
from django_redis.exceptions import ConnectionInterrupted
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# The errors that the libraries raise when Redis is unavailable, when its address cannot be used, or
# when what answers does not speak its protocol: their parsers raise ValueError and TypeError.
REDIS_ERRORS = (
    RedisError,
    ConnectionInterrupted,
    ImproperlyConfigured,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
)
# After a failure Redis is not called for this long, so that not every call waits for the timeout.
REDIS_RETRY_SECONDS = 5.0
# An outage is logged at most once in this time.
LOG_INTERVAL_SECONDS = 60.0
# Limits the memory of the in-process counters: callers can invent any number of keys.
MAX_COUNTERS = 20_000


class Outage:
    """A circuit breaker for Redis: after a failure Redis is not called for a short time."""

    def __init__(self, *, consequence: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._consequence = consequence
        self._clock = clock
        self._until = -math.inf
        self._logged_at = -math.inf

    def lasts(self) -> bool:
        """Return whether calls of Redis are still suspended."""
        return self._clock() < self._until

    def begin(self, error: Exception | None) -> None:
        """Record a failure; log it at most once in ``LOG_INTERVAL_SECONDS``."""
        now = self._clock()
        self._until = now + REDIS_RETRY_SECONDS
        if now - self._logged_at >= LOG_INTERVAL_SECONDS:
            self._logged_at = now
            log.warning(self._consequence, error=str(error) if error else "no answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """The result of ``Counter.take``.

    Attributes:
        granted: How many were taken.
        left: How many are left in the window for all processes.
    """

    granted: int
    left: int


class Counter(Protocol):
    """A counter of what was taken from a window."""

    def take(self, key: str, *, need: int, want: int, limit: int, seconds: int) -> Allowance:
        """Take up to ``want``; take nothing if ``need`` does not fit.

        Args:
            key: Identifies the caller, the limit and the window.
            need: The smallest useful amount.
            want: The largest amount to take.
            limit: The size of the window.
            seconds: How long the counter must be kept.
        """


class LocalCounter:
    """A counter in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._used: dict[str, tuple[int, float]] = {}

    def take(self, key: str, *, need: int, want: int, limit: int, seconds: int) -> Allowance:
        """Take from the window; see ``Counter``."""
        now = self._clock()
        with self._lock:
            used, ends = self._used.get(key, (0, now + seconds))
            granted = min(want, limit - used)
            granted = granted if granted >= need else 0
            if key not in self._used and len(self._used) >= MAX_COUNTERS:
                self._make_room(now)
            self._used[key] = (used + granted, ends)
            return Allowance(granted=granted, left=limit - used - granted)

    def _make_room(self, now: float) -> None:
        for key in [key for key, (_, ends) in self._used.items() if ends <= now]:
            del self._used[key]
        while len(self._used) >= MAX_COUNTERS:
            del self._used[next(iter(self._used))]


class RedisCounter:
    """A counter in Redis for all processes; each call is one atomic script."""

    SCRIPT = """
    local used = tonumber(redis.call('GET', KEYS[1]) or '0')
    local granted = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - used)
    if granted < tonumber(ARGV[1]) then granted = 0 end
    if granted > 0 then
        redis.call('INCRBY', KEYS[1], granted)
        redis.call('EXPIRE', KEYS[1], ARGV[4])
    end
    return {granted, tonumber(ARGV[3]) - used - granted}
    """

    def __init__(self, connect: Callable[[], "Redis"]) -> None:
        self._connect = connect

    def take(self, key: str, *, need: int, want: int, limit: int, seconds: int) -> Allowance:
        """Take from the window; see ``Counter``.

        Raises:
            RedisError: Redis does not answer.
            OSError: As above.
            ValueError: It answers something else, as a server that is not Redis does.
            TypeError: As above.
        """
        answer: Any = self._connect().eval(self.SCRIPT, 1, key, need, want, limit, seconds)
        granted, left = map(int, answer)
        return Allowance(granted=granted, left=left)
