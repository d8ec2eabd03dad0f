"""Take hold of rows: one statement, no lock kept, a lease that ends by itself unless renewed."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import Error, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.database_retry import run_until_answered
from apps.common.ids import new_id
from apps.notifications.delivery.clock import DatabaseClock
from apps.notifications.lifecycle.states import CLAIMABLE, Status
from apps.notifications.lifecycle.transitions import advance_returning
from apps.notifications.models import Notification

log = structlog.get_logger(__name__)

# A lease that has ended means that its holder died, or stood still.
LEASE = timedelta(seconds=60)
# While calls are on the wire the lease is renewed this often, so that two renewals may fail.
RENEW_SECONDS = 20.0
# A message may be this early: it waited in the broker by the broker's clock.
TOLERANCE = timedelta(milliseconds=50)
# Nothing has gone out yet, so a message that finds no database goes back to the broker.
PATIENCE_SECONDS = 10.0


@dataclass(kw_only=True)
class Claim:
    """What one message brought.

    Attributes:
        id: Marks the rows held.
        rows: The notifications to deliver now, in the order of their ids.
        early: Rows that this message is for but that are not yet due.
        clock: The database's.
        renewed_at: ``time.monotonic()`` when the lease began or was renewed last.
    """

    id: UUID
    rows: list[Notification]
    early: list[Notification]
    clock: DatabaseClock
    renewed_at: float = field(default_factory=time.monotonic)

    def renew_when_due(self, ids: Collection[UUID]) -> None:
        """Let the lease of those rows begin anew, unless it did so a moment ago.

        A database that is away costs nothing but this renewal: the next one is as good while the
        lease lasts.
        """
        if not ids or time.monotonic() - self.renewed_at < RENEW_SECONDS:
            return
        held = Notification.objects.filter(pk__in=ids, claim_id=self.id, status=Status.SENDING)
        until = Now() + LEASE
        try:
            held.update(claimed_until=until, wake_at=until)
            self.renewed_at = time.monotonic()
        except Error as error:
            log.warning("a lease could not be renewed", error=type(error).__name__)
            if not connection.in_atomic_block:
                connection.close()


def new_claim_id() -> UUID:
    """Make the id of a claim, whose version says what its holder knows.

    Version 8 is free for an application's own use (RFC 9562, 5.8), and here it says that
    ``recipient`` is heeded. Releases before that column claim by version 7, and PostgreSQL refuses
    that for a row with a recipient (migration 0010): they would look for its text among the
    templates and give it up. The refusal sends their message back to the broker for 8 s.
    """
    return UUID(int=new_id().int & ~(0xF << 76) | 0x8 << 76)


def claim(ids: Collection[UUID], *, attempt: int) -> Claim:
    """Claim those of the notifications that wait for this very attempt.

    A message for an attempt that has passed finds nothing, so two chains of messages for one
    row collapse into one. Overlapping chunks on PostgreSQL skip each other's rows; a plain
    UPDATE deadlocked in four of a hundred. Leases and due times are judged by the database's
    clock.

    Args:
        ids: The notifications of one message.
        attempt: Attempts spent when the message was published.

    Raises:
        django.db.Error: The database did not answer for ``PATIENCE_SECONDS``.
    """
    claim_id = new_claim_id()

    def take(repeated: bool) -> Claim:  # noqa: FBT001 - as ``run_until_answered`` calls it.
        return _take(ids, attempt=attempt, claim_id=claim_id, repeated=repeated)

    return run_until_answered(take, what="claim", patience_seconds=PATIENCE_SECONDS)


def _take(ids: Collection[UUID], *, attempt: int, claim_id: UUID, repeated: bool) -> Claim:
    named = Notification.objects.filter(pk__in=ids)
    waiting = named.filter(attempts=attempt, status__in=CLAIMABLE)
    due = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now() + TOLERANCE)
    free = waiting.filter(due).order_by("pk").select_for_update(skip_locked=True).values("pk")
    until = Now() + LEASE
    with transaction.atomic():
        asked_at = time.monotonic()
        rows = advance_returning(
            Notification.objects.filter(pk__in=free),
            to=Status.SENDING,
            now=Now(),
            claim_id=claim_id,
            claimed_until=until,
            wake_at=until,
        )
    if repeated:
        # The try before may have been committed although its connection broke.
        held = named.filter(status=Status.SENDING, claim_id=claim_id)
        asked_at = time.monotonic()
        held.update(claimed_until=until, wake_at=until)
        rows = list(held)
    early = [] if len(rows) == len(ids) else _not_yet_due(waiting)
    return Claim(
        id=claim_id,
        rows=sorted(rows, key=lambda row: row.pk),
        early=early,
        clock=_clock_of(rows, early, asked_at=asked_at),
    )


def _not_yet_due(waiting: QuerySet[Notification]) -> list[Notification]:
    later = waiting.filter(next_attempt_at__gt=Now() + TOLERANCE)
    return list(later.annotate(asked_at=Now()).order_by("pk"))


def _clock_of(
    rows: Sequence[Notification], early: Sequence[Notification], *, asked_at: float
) -> DatabaseClock:
    """Read the database's time off the rows that it returned.

    PostgreSQL's ``STATEMENT_TIMESTAMP`` is when the statement came, so the time counts from when it
    was sent. SQLite's clock is this machine's, cut to milliseconds, which would mix up a timeline.
    """
    if connection.vendor != "sqlite":
        for row in rows[:1]:
            assert row.claimed_until is not None
            return DatabaseClock(at=row.claimed_until - LEASE, read_at=asked_at)
        for row in early[:1]:
            return DatabaseClock(at=getattr(row, "asked_at"))  # noqa: B009 - annotated above.
    return DatabaseClock(at=timezone.now())
