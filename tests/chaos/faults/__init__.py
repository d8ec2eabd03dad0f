"""All faults, each as a function that causes it and then undoes it."""

from tests.chaos.faults import (  # noqa: I001 - in the order of injection.
    ours,
    broker,
    database,
    cache,
    callers,
    mail,
    push,
    addresses,
    messages,
    events,
    webhooks,
    clock,
    versions,
)
from tests.chaos.faults.registry import FAULTS, Fault, NotPossibleError

__all__ = [
    "FAULTS",
    "Fault",
    "NotPossibleError",
    "addresses",
    "broker",
    "cache",
    "callers",
    "clock",
    "database",
    "events",
    "mail",
    "messages",
    "ours",
    "push",
    "versions",
    "webhooks",
]
