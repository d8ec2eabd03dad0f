"""The statuses of a notification and the allowed transitions between them, as one table."""

from enum import StrEnum


class Status(StrEnum):
    """The status of a notification."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


S = Status

# The allowed next statuses of each status. A receipt may be processed before our own record
# (sending to delivered), and it may resolve an unknown outcome after we gave up (failed to
# delivered). Nothing leaves delivered. A waiting, failed or expired notification may become sent,
# because an acceptance can be recorded late: the worker was suspended for longer than its lease or
# had no database, or the worker died and a receipt reports its call.
MOVES: dict[Status, frozenset[Status]] = {
    S.SCHEDULED: frozenset(
        {S.PENDING, S.SENT, S.CANCELLED, S.EXPIRED, S.SKIPPED, S.FAILED, S.DELIVERED, S.BOUNCED}
    ),
    S.PENDING: frozenset(
        {
            S.SENDING,
            S.SENT,
            S.CANCELLED,
            S.EXPIRED,
            S.SKIPPED,
            S.FAILED,
            S.DELIVERED,
            S.BOUNCED,
        }
    ),
    S.SENDING: frozenset(
        {
            S.PENDING,
            S.SCHEDULED,
            S.RETRYING,
            S.SENT,
            S.DELIVERED,
            S.BOUNCED,
            S.FAILED,
            S.SKIPPED,
            S.EXPIRED,
        }
    ),
    S.RETRYING: frozenset(
        {S.SENDING, S.SENT, S.CANCELLED, S.EXPIRED, S.SKIPPED, S.FAILED, S.DELIVERED, S.BOUNCED}
    ),
    S.SENT: frozenset({S.DELIVERED, S.BOUNCED, S.FAILED}),
    S.DELIVERED: frozenset(),
    S.FAILED: frozenset({S.SENT, S.DELIVERED, S.BOUNCED}),
    S.BOUNCED: frozenset({S.DELIVERED}),
    S.SKIPPED: frozenset(),
    S.EXPIRED: frozenset({S.SENT, S.DELIVERED, S.BOUNCED}),
    S.CANCELLED: frozenset(),
}

# The reason of a failed mail that was transmitted without a reply: it may have arrived.
UNKNOWN_OUTCOME = "unknown_outcome"
# Reasons of a failure without a known acceptance. An acceptance that is reported later replaces it.
UNPROVEN = ("crashed", "attempts_exhausted", UNKNOWN_OUTCOME)

# Statuses that need no further work. ``sent`` may still change by a receipt.
FINISHED = frozenset({S.SENT, S.DELIVERED, S.FAILED, S.BOUNCED, S.SKIPPED, S.EXPIRED, S.CANCELLED})
UNFINISHED = frozenset(Status) - FINISHED
# Statuses that few rows have, so that an index of them alone is small.
RARE = tuple(
    status.value
    for status in (
        S.BOUNCED,
        S.CANCELLED,
        S.EXPIRED,
        S.FAILED,
        S.RETRYING,
        S.SCHEDULED,
        S.SKIPPED,
    )
)
CANCELLABLE = frozenset({S.SCHEDULED, S.PENDING, S.RETRYING})
CLAIMABLE = frozenset({S.PENDING, S.RETRYING})
REPLAYABLE = frozenset({S.FAILED, S.BOUNCED, S.EXPIRED, S.CANCELLED, S.SKIPPED})


def may_move(before: Status, after: Status) -> bool:
    """Return whether the transition from one status to another is allowed."""
    return after in MOVES[before]


def predecessors(after: Status) -> frozenset[Status]:
    """Return the statuses from which this one can be reached."""
    return frozenset(before for before in Status if after in MOVES[before])


class LetterState(StrEnum):
    """The state of a dead letter. Only an open one needs an action."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    # The notification was sent or delivered after all.
    RESOLVED = "resolved"
