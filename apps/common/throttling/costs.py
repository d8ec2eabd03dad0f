"""The rate limit on sending: the number of notifications of a client.

While Redis is unavailable all are admitted: a refused notification is worse than an exceeded limit.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from django.conf import settings
from django.core.cache import caches

from apps.common.callers import Caller, Kind
from apps.common.throttling.counters import (
    REDIS_ERRORS,
    Counter,
    LocalCounter,
    Outage,
    RedisCounter,
)
from apps.common.throttling.rates import Rate, RateState

# A lease is 1/LEASE_PART of the rest of the window: large while much is left, exact at the end.
LEASE_PART = 100


@dataclass
class _Lease:
    """The part of a client's window that this process has reserved and not spent yet.

    Attributes:
        window: The number of the window.
        shared_left: What was left in the shared counter after the last lease.
        own: What is left of the lease.
    """

    window: int
    shared_left: int
    own: int = 0


class CostLimiter:
    """One counter for each client and window. Processes lease parts of it to save calls of Redis.

    Other processes cannot use the unspent part of a lease: at most a hundredth of the limit for
    each process, and less towards the end of a window.

    Args:
        policy: The name of the limit in the headers.
        rate: Returns the limit; called each time.
        counter: Returns the shared counter; called each time.
        clock: Returns Unix time in seconds.
    """

    def __init__(
        self,
        *,
        policy: str,
        rate: Callable[[], Rate],
        counter: Callable[[], Counter],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._rate = rate
        self._counter = counter
        self._clock = clock
        self._outage = Outage(consequence="notifications are not limited: no Redis", clock=clock)
        self._lock = threading.Lock()
        self._leases: dict[tuple[str, int, int], _Lease] = {}

    def spend(self, *, client: str, cost: int) -> RateState:
        """Take ``cost`` notifications from the client's window.

        Raises:
            Problem: 429 with ``Retry-After`` when the cost does not fit; then nothing is taken.
        """
        rate = self._rate()
        now = self._clock()
        window = int(now // rate.seconds)
        lease = self._lease(client, rate, window)
        with self._lock:
            own = min(lease.own, cost)
            lease.own -= own
        admitted = own == cost or self._take_shared(client, rate, lease, cost - own)
        with self._lock:
            if not admitted:
                lease.own += own
            state = RateState(
                policy=self._policy,
                calls=rate.calls,
                seconds=rate.seconds,
                remaining=max(0, lease.own + lease.shared_left),
                reset=max(1, math.ceil((window + 1) * rate.seconds - now)),
            )
        if admitted:
            return state
        if cost > rate.calls:
            detail = f"One call may hold at most {rate.calls} recipients under this limit."
            raise state.refusal(detail)
        raise state.refusal("There were too many notifications in this window.")

    def _lease(self, client: str, rate: Rate, window: int) -> _Lease:
        key = (client, rate.calls, rate.seconds)
        with self._lock:
            lease = self._leases.get(key)
            if lease is None or lease.window != window:
                lease = self._leases[key] = _Lease(window=window, shared_left=rate.calls)
            return lease

    def _take_shared(self, client: str, rate: Rate, lease: _Lease, need: int) -> bool:
        if self._outage.lasts():
            return True
        name = hashlib.sha256(client.encode()).hexdigest()[:32]
        try:
            allowance = self._counter().take(
                f"notifications:spent:{name}:{rate.calls}:{rate.seconds}:{lease.window}",
                need=need,
                want=max(need, lease.shared_left // LEASE_PART),
                limit=rate.calls,
                seconds=rate.seconds + 5,
            )
        except REDIS_ERRORS as error:
            self._outage.begin(error)
            return True
        with self._lock:
            lease.shared_left = allowance.left
            if allowance.granted:
                lease.own += allowance.granted - need
        return allowance.granted > 0


_local_counter = LocalCounter()


def _configured_counter() -> Counter:
    cache = caches["default"]
    client = getattr(cache, "client", None)  # Only django-redis has one.
    return _local_counter if client is None else RedisCounter(client.get_client)


_sending = CostLimiter(
    policy="default",
    rate=lambda: cast("Rate", settings.RATE_LIMIT_NOTIFICATIONS),
    counter=_configured_counter,
)


def spend_sending(*, caller: Caller, cost: int) -> RateState:
    """Count the recipients of one call against ``settings.RATE_LIMIT_NOTIFICATIONS``.

    Test keys have a separate window, so that tests do not use the limit of live notifications.

    Args:
        caller: The caller; its client and kind are the key of the counter.
        cost: The number of recipients.

    Raises:
        Problem: 429 with ``Retry-After`` when they do not fit; then nothing is taken.
    """
    client = caller.client or ""
    # A client name never contains a line feed, so the keys cannot collide.
    counted = client if caller.kind is Kind.LIVE else f"{client}\n{caller.kind}"
    return _sending.spend(client=counted, cost=cost)
