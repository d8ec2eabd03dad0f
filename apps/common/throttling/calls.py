"""The limit on login, registration, refresh and reset: by address and by account.

django-ratelimit counts in the cache. Where Redis is away an in-process count takes over, so
that login never opens fully.
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
from apps.common.throttling.counters import REDIS_AWAY, LocalCounter, Outage
from apps.common.throttling.rates import Rate, RateState


class CallLimiter:
    """Counts calls with django-ratelimit, or in the process while its cache is away."""

    def __init__(self) -> None:
        self._outage = Outage(consequence="call limits are counted in the process: no cache")
        self._local = LocalCounter()

    def count(self, request: HttpRequest, *, group: str, subject: str, rate: Rate) -> RateState:
        """Count one call of ``subject``.

        Raises:
            Problem: 429 when it is one too many.
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
        except REDIS_AWAY as error:
            self._outage.begin(error)
            return None
        # django-ratelimit says "limited, for -1 seconds" when its cache gave no number.
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
    """Count a call by its address, by the account that it is about, or apart from both.

    Args:
        request: The call.
        group: ``login``, ``registration``, ``refresh`` or ``reset``; each counts by itself.
        account: What names the account, the same for every spelling of it.
        apart: What a caller is counted by alone, and nobody else can name.

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
    """Return the address to count by: of IPv6 the /64, which is what one household is given."""
    address = ipaddress.ip_address(client_address(request))
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(address)
