"""The rate limit on login, registration, refresh and reset, by address and by account.

django-ratelimit counts in the cache. While Redis is unavailable each process counts in memory, so
that login always has a limit.
"""

import ipaddress
import math
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from apps.common.throttling.addresses import client_address
from apps.common.throttling.counters import REDIS_ERRORS, LocalCounter, Outage
from apps.common.throttling.rates import Rate, RateState


class CallLimiter:
    """Count calls with django-ratelimit, or in this process while its cache is unavailable."""

    def __init__(self) -> None:
        self._outage = Outage(consequence="call limits are counted in the process: no cache")
        self._local = LocalCounter()

    def count(self, request: HttpRequest, *, group: str, subject: str, rate: Rate) -> RateState:
        """Count one call of ``subject``.

        Raises:
            Problem: 429 when the call exceeds the limit.
        """
        usage = None if self._outage.lasts() else self._shared(request, group, subject, rate)
        if usage is None:
            usage = self._counted_here(group, subject, rate)
        state = RateState(
            policy=group,
            calls=rate.calls,
            seconds=rate.seconds,
            remaining=max(0, rate.calls - usage["count"]),
            reset=max(1, usage["time_left"]),
        )
        if usage["should_limit"]:
            raise state.refusal("There were too many attempts. Try again later.")
        return state

    def _shared(
        self, request: HttpRequest, group: str, subject: str, rate: Rate
    ) -> Mapping[str, Any] | None:
        try:
            usage: Mapping[str, Any] | None = get_usage(
                request,
                group=group,
                key=lambda *_: subject,
                rate=(rate.calls, rate.seconds),
                increment=True,
            )
        except REDIS_ERRORS as error:
            self._outage.begin(error)
            return None
        # django-ratelimit returns "limited, for -1 seconds" when its cache returned no number.
        if usage is not None and usage["time_left"] < 0:
            self._outage.begin(None)
            return None
        return usage

    def _counted_here(self, group: str, subject: str, rate: Rate) -> Mapping[str, Any]:
        now = time.time()
        window = int(now // rate.seconds)
        grant = self._local.take(
            f"{group}:{subject}:{rate.calls}:{rate.seconds}:{window}",
            need=1,
            want=1,
            limit=rate.calls,
            seconds=rate.seconds,
        )
        return {
            "count": rate.calls - grant.left,
            "should_limit": grant.granted == 0,
            "time_left": math.ceil((window + 1) * rate.seconds - now),
        }


_calls = CallLimiter()


def count_call(
    request: HttpRequest, *, group: str, account: str | None = None, apart: str | None = None
) -> RateState:
    """Count a call by address, by account or by a separate key.

    Args:
        request: The request; its address is the key if no other key is given.
        group: ``login``, ``registration``, ``refresh`` or ``reset``; each has its own counter.
        account: The normalized key of the account, the same for every spelling of its name.
        apart: A separate key that no other caller can know.

    Raises:
        Problem: 429 with ``Retry-After`` when ``settings.RATE_LIMIT_LOGIN`` is exceeded.
    """
    if apart is not None:
        subject = f"apart:{apart}"
    elif account is not None:
        subject = f"account:{account}"
    else:
        subject = f"address:{_network_of(request)}"
    return _calls.count(request, group=group, subject=subject, rate=settings.RATE_LIMIT_LOGIN)


def _network_of(request: HttpRequest) -> str:
    """Return the address to count by: for IPv6 the /64 network, the usual size for one customer."""
    address = ipaddress.ip_address(client_address(request))
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(address)
