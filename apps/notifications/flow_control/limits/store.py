"""Where buckets and paces are kept: in Redis for all processes, or in this one."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis

from apps.common.redis.shared_state import SharedState, StateType
from apps.common.throttling.counters import REDIS_AWAY, Outage
from apps.notifications.flow_control.limits.adaptive_rate import AdaptiveRate
from apps.notifications.flow_control.limits.bucket import (
    HORIZON_SECONDS,
    Bucket,
    Demand,
    Grant,
    taken,
)

Answer = TypeVar("Answer")

BUCKET_PREFIX = "notifications:bucket:"
LINE_PREFIX = "line:"
# Longer than any line; a bucket that nobody has used for this long is full.
BUCKET_FORGOTTEN_SECONDS = 3600
ALONE = "each process has outgoing limits of its own: no Redis"

# A provider that nobody has called for this long may be called at any rate again.
PACES: StateType[AdaptiveRate] = StateType(
    prefix="notifications:pace:", read=lambda fields: AdaptiveRate(**fields), forgotten_seconds=3600
)


def shared_rates() -> SharedState[AdaptiveRate]:
    """Make the keeper of what this process knows about its providers."""
    return SharedState(PACES, consequence=ALONE)


class LocalBuckets:
    """Keeps buckets in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def take(self, name: str, demand: Demand) -> Grant:
        """Take tokens from a bucket."""
        with self._lock:
            before = self._buckets.get(name, Bucket())
            self._buckets[name], grant = taken(before, demand, now=time.time())
        return grant

    def read(self, name: str) -> tuple[Bucket, float]:
        """Return a bucket, and the time by its clock."""
        return self._buckets.get(name, Bucket()), time.time()

    def end_lines(self, name: str) -> None:
        """Forget the lines of a bucket: nobody stands in them any more."""
        with self._lock:
            self._buckets[name] = replace(self._buckets.get(name, Bucket()), lines={})


class RedisBuckets:
    """Keeps buckets in Redis: one call, one atomic step, by the clock of the server.

    Args:
        redis: The connection.
        clock: Tells the time in place of the server's, for tests.
    """

    # ``bucket.taken``, word for word.
    SCRIPT = """
    local rate, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
    local need, spare, pause = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
    local now = tonumber(ARGV[10])
    if not now then
        local time = redis.call('TIME')
        now = tonumber(time[1]) + tonumber(time[2]) / 1000000
    end
    local kept = redis.call('HMGET', KEYS[1], 'tokens', 'filled_at', ARGV[9])
    local filled, filled_at = capacity, now
    if kept[1] then
        filled_at = tonumber(kept[2])
        local flowed = math.max(0, now - filled_at) * rate
        filled = math.min(capacity, tonumber(kept[1]) + flowed)
        filled_at = math.max(now, filled_at)
    end
    local line = tonumber(kept[3] or '0')
    local count = 0
    if pause <= 0 then
        local reserve = tonumber(line > now and ARGV[4] or ARGV[3])
        count = math.max(0, math.min(need + spare, math.floor(filled - reserve + 0.000001)))
    end
    local begins = math.max(line, now + pause)
    redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', filled - count),
               'filled_at', string.format('%.6f', filled_at))
    if need > count then
        local ends = math.min(begins + (need - count) / rate, now + tonumber(ARGV[8]))
        redis.call('HSET', KEYS[1], ARGV[9], string.format('%.6f', ends))
    end
    redis.call('EXPIRE', KEYS[1], ARGV[11])
    return {count, string.format('%.6f', begins - now)}
    """

    def __init__(self, redis: "Redis", *, clock: Callable[[], float] | None = None) -> None:
        self._redis = redis
        self._clock = clock
        self._script = redis.register_script(self.SCRIPT)

    def take(self, name: str, demand: Demand) -> Grant:
        """Take tokens from a bucket.

        Raises:
            RedisError: Redis does not answer.
        """
        answer = self._script(
            keys=[BUCKET_PREFIX + name],
            args=[
                demand.rate,
                demand.capacity,
                demand.reserve(in_line=False),
                demand.reserve(in_line=True),
                demand.need,
                demand.spare,
                demand.pause_seconds,
                HORIZON_SECONDS,
                LINE_PREFIX + demand.turn.line,
                "" if self._clock is None else self._clock(),
                BUCKET_FORGOTTEN_SECONDS,
            ],
        )
        count, line_seconds = cast("list[Any]", answer)
        return Grant(count=int(count), line_seconds=float(line_seconds))

    def read(self, name: str) -> tuple[Bucket, float]:
        """Return a bucket, and the time by the server's clock.

        Raises:
            RedisError: Redis does not answer.
        """
        kept = cast("dict[bytes, bytes]", self._redis.hgetall(BUCKET_PREFIX + name))
        seconds, microseconds = self._redis.time()
        fields = {key.decode(): float(value) for key, value in kept.items()}
        bucket = Bucket(
            tokens=fields.pop("tokens", None),
            filled_at=fields.pop("filled_at", 0.0),
            lines={key.removeprefix(LINE_PREFIX): ends for key, ends in fields.items()},
        )
        return bucket, seconds + microseconds / 1_000_000

    def end_lines(self, name: str) -> None:
        """Forget the lines of a bucket.

        Raises:
            RedisError: Redis does not answer.
        """
        lines = [LINE_PREFIX + line for line in self.read(name)[0].lines]
        if lines:
            self._redis.hdel(BUCKET_PREFIX + name, *lines)


class SharedBuckets:
    """Keeps buckets in Redis where there is one and it answers, else in this process."""

    def __init__(self) -> None:
        self._local = LocalBuckets()
        self._outage = Outage(consequence=ALONE)

    def take(self, name: str, demand: Demand) -> Grant:
        """Take tokens from a bucket."""
        return self._ask(lambda buckets: buckets.take(name, demand))

    def read(self, name: str) -> tuple[Bucket, float]:
        """Return a bucket, and the time by its clock."""
        return self._ask(lambda buckets: buckets.read(name))

    def end_lines(self, name: str) -> None:
        """Forget the lines of a bucket: nobody stands in them any more."""
        self._ask(lambda buckets: buckets.end_lines(name))

    def _ask(self, question: Callable[["LocalBuckets | RedisBuckets"], Answer]) -> Answer:
        if not settings.REDIS_URL or self._outage.lasts():
            return question(self._local)
        try:
            return question(RedisBuckets(get_redis_connection("default")))
        except REDIS_AWAY as error:
            self._outage.begin(error)
            return question(self._local)
