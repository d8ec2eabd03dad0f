"""Identifiers: UUIDv7, which sort by time and so index well."""

import hashlib
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562) of the present moment."""
    return uuid7()


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a millisecond, so that a time can bound a range of ids.

    RFC 9562 §5.7: 48 bits of Unix milliseconds, then version, variant and random bits.
    """
    milliseconds = max(0, int(moment.timestamp() * 1000)) & ((1 << 48) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62)


def derived_id(parent: UUID, name: str) -> UUID:
    """Make the UUIDv7 of a part of something: the parent's time, and a hash in place of chance.

    The same part always gets the same id, so that making it twice makes one.

    Args:
        parent: A UUIDv7.
        name: Tells the parts of one parent apart.
    """
    chance = int.from_bytes(hashlib.sha256(parent.bytes + name.encode()).digest()[:10])
    high, low = chance >> 62 & 0xFFF, chance & ((1 << 62) - 1)
    return UUID(int=parent.int >> 80 << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low)
