"""Counters of what is taken from a window: in Redis for all processes, or in this one."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import structlog
from django_redis.exceptions import ConnectionInterrupted
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# Whatever the libraries raise when Redis is away.
REDIS_AWAY = (RedisError, ConnectionInterrupted, OSError)
# After a failure Redis is left alone for this long, so that its time limit is not paid each call.
REDIS_REST_SECONDS = 5.0
# An outage is worth one log line in this time.
LOG_INTERVAL_SECONDS = 60.0
# The in-process counters are bounded, whatever names strangers make up.
MAX_COUNTERS = 20_000


class Outage:
    """Remembers that Redis did not answer: it is left alone for a while and logged seldom."""

    def __init__(self, *, consequence: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._consequence = consequence
        self._clock = clock
        self._until = -math.inf
        self._logged_at = -math.inf

    def lasts(self) -> bool:
        """Tell whether Redis is still being left alone."""
        return self._clock() < self._until

    def begin(self, error: Exception | None) -> None:
        """Note a failure."""
        now = self._clock()
        self._until = now + REDIS_REST_SECONDS
        if now - self._logged_at >= LOG_INTERVAL_SECONDS:
            self._logged_at = now
            log.warning(self._consequence, error=str(error) if error else "no answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What a counter gave: how many, and how many are left in the window for everybody."""

    granted: int
    left: int


class Counter(Protocol):
    """Counts what is taken from a window."""

    def take(self, key: str, *, need: int, want: int, limit: int, seconds: int) -> Allowance:
        """Take up to ``want``, and nothing where even ``need`` does not fit.

        Args:
            key: The caller, the limit and the window.
            need: The least that is of use.
            want: The most that is taken.
            limit: How many the window holds.
            seconds: For how long the counter must be kept.
        """


class LocalCounter:
    """Counts in this process."""

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
    """Counts in Redis, for every process together, in one atomic step."""

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
        """
        answer = self._connect().eval(self.SCRIPT, 1, key, need, want, limit, seconds)
        granted, left = cast("list[int]", answer)
        return Allowance(granted=granted, left=left)
