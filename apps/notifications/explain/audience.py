"""Explain a broadcast: how many of its audience come to which outcome, with examples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.common.callers import Caller
from apps.common.ids import new_id
from apps.notifications.explain.recipient import explain_known
from apps.notifications.intake.requests import BroadcastRequest
from apps.users import contacts

# What one answer may contain. A larger audience is explained in the background.
PEOPLE_MAX = 10_000
EXAMPLES_MAX = 10
CHUNK = 500


@dataclass(kw_only=True)
class Counts:
    """The outcomes of an audience.

    Attributes:
        total: How many were judged.
        found: By outcome and reason: how many, and the first of them.
    """

    total: int = 0
    found: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def add(self, outcome: str, reason: str | None, user_id: UUID) -> None:
        """Count one recipient."""
        self.total += 1
        counted = self.found.setdefault((outcome, reason or ""), {"count": 0, "examples": []})
        counted["count"] += 1
        if len(counted["examples"]) < EXAMPLES_MAX:
            counted["examples"].append(str(user_id))

    @classmethod
    def read(cls, lines: list[dict[str, Any]], *, total: int) -> "Counts":
        """Return the counts that ``lines`` gave."""
        found = {
            (line["outcome"], line["reason"] or ""): {
                "count": line["count"],
                "examples": list(line["examples"]),
            }
            for line in lines
        }
        return cls(total=total, found=found)

    def lines(self) -> list[dict[str, Any]]:
        """Return the outcomes, the most frequent first, as plain values."""
        ordered = sorted(self.found.items(), key=lambda item: (-item[1]["count"], item[0]))
        return [
            {"outcome": str(outcome), "reason": reason or None, **counted}
            for (outcome, reason), counted in ordered
        ]


def members(asked: BroadcastRequest, *, most: int) -> list[UUID]:
    """Return the first users of an audience, up to ``most`` of them."""
    if asked.audience.user_ids is not None:
        return list(dict.fromkeys(asked.audience.user_ids))[:most]
    return contacts.audience_members(
        after=None,
        upto=new_id(),
        limit=most,
        channel=asked.notification_type,
        category=asked.audience.category,
    )


def count(
    asked: BroadcastRequest,
    user_ids: Sequence[UUID],
    *,
    caller: Caller,
    now: datetime,
    counts: Counts | None = None,
) -> Counts:
    """Judge users of an audience, with a constant number of queries for each 500 of them.

    Args:
        asked: The broadcast.
        user_ids: The users.
        caller: Who would send it.
        now: The current time, UTC.
        counts: The counts to add to; by default new ones.

    Raises:
        Problem: 400 for a request that cannot be judged.
    """
    found = Counts() if counts is None else counts
    for chunk in _chunks(user_ids):
        locales = contacts.known_locales(set(chunk))
        people = contacts.load_contacts(chunk, channel=asked.notification_type)
        for user_id in chunk:
            made = explain_known(
                asked.to(user_id),
                caller=caller,
                locales=locales,
                contact=people.get(user_id),
                now=now,
            )
            found.add(made.outcome, made.reason, user_id)
    return found


def _chunks(user_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(user_ids), CHUNK):
        yield user_ids[start : start + CHUNK]
