"""The statuses of a notification and the legal moves between them: one pure table."""

from enum import StrEnum


class Status(StrEnum):
    """Where a notification stands."""

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

# From each status, where it may go. A receipt may overtake our own record (sending to delivered)
# and may tell the truth about an unknown outcome after we gave up (failed to delivered); nothing
# undoes delivered. Whatever waits or was given up may go to sent: a worker that stood still for
# longer than its lease, or had no database, knows of an acceptance that nobody else knows of; and a
# receipt may know of a call whose worker died.
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

# The reason of a mail that was handed over and never answered for: it may have arrived.
UNKNOWN_OUTCOME = "unknown_outcome"

# Nothing is left to do for these; ``sent`` still waits for a receipt, but not for us.
FINISHED = frozenset({S.SENT, S.DELIVERED, S.FAILED, S.BOUNCED, S.SKIPPED, S.EXPIRED, S.CANCELLED})
UNFINISHED = frozenset(Status) - FINISHED
CANCELLABLE = frozenset({S.SCHEDULED, S.PENDING, S.RETRYING})
CLAIMABLE = frozenset({S.PENDING, S.RETRYING})
REPLAYABLE = frozenset({S.FAILED, S.BOUNCED, S.EXPIRED, S.CANCELLED, S.SKIPPED})


def may_move(before: Status, after: Status) -> bool:
    """Tell whether a notification may go from one status to another."""
    return after in MOVES[before]


def predecessors(after: Status) -> frozenset[Status]:
    """Return the statuses from which this one can be reached."""
    return frozenset(before for before in Status if after in MOVES[before])
