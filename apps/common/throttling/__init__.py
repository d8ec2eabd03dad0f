"""Rate limits for callers: on calls of the login endpoints and on the number of notifications."""

from apps.common.throttling.addresses import client_address, is_on_loopback, parse_networks
from apps.common.throttling.calls import count_call
from apps.common.throttling.costs import CostLimiter, spend_sending
from apps.common.throttling.rates import Rate, RateLimitHeaders, RateState

__all__ = [
    "CostLimiter",
    "Rate",
    "RateLimitHeaders",
    "RateState",
    "client_address",
    "count_call",
    "is_on_loopback",
    "parse_networks",
    "spend_sending",
]
