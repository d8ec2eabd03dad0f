"""What a call on the wire may come to."""

from enum import StrEnum


class Outcome(StrEnum):
    """What one call on the wire came to. Each member has one rule in ``delivery.retry_policy``."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"  # Try again later.
    RATE_LIMITED = "rate_limited"  # Try again, not before ``retry_after``.
    UNKNOWN = "unknown"  # It was handed over and no answer came: it may have arrived.
    DEAD_ADDRESS = "dead_address"  # The address or token does not exist: never use it again.
    REJECTED = "rejected"  # Refused for good, for a reason that is not the address.
    CONFIGURATION = "configuration"  # Our credentials or settings are wrong: keep the message.
    DEFECT = "defect"  # We sent something malformed: a person has to look.
