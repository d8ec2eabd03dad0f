"""The possible outcomes of a provider call."""

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of one provider call. Each member has one rule in ``delivery.retry_policy``."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"  # Retry later.
    RATE_LIMITED = "rate_limited"  # Retry, but not before ``retry_after``.
    UNKNOWN = "unknown"  # It was transmitted and no reply was received: it may have arrived.
    DEAD_ADDRESS = "dead_address"  # The address or token does not exist: never use it again.
    REJECTED = "rejected"  # Refused permanently, for a reason other than the address.
    UNAVAILABLE = "unavailable"  # The provider takes no message at all now: keep the message.
    CONFIGURATION = "configuration"  # Our credentials or settings are wrong: keep the message.
    DEFECT = "defect"  # We sent something malformed: it needs manual investigation.
