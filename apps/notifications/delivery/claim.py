"""Claim rows with one statement that keeps no lock. The lease expires unless it is renewed."""

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
from apps.common.postgresql.one_of import OneOf
from apps.notifications.delivery.clock import DatabaseClock
from apps.notifications.lifecycle.states import CLAIMABLE, Status
from apps.notifications.lifecycle.transitions import advance_returning
from apps.notifications.models import Notification

log = structlog.get_logger(__name__)

# An expired lease means that its worker died or was suspended.
LEASE = timedelta(seconds=60)
# While calls are in flight the lease is renewed at this interval, so that two renewals may fail.
RENEW_SECONDS = 20.0
# A message may arrive this early, because the delay queue is measured by the broker's clock.
TOLERANCE = timedelta(milliseconds=50)
# What a claim of this release heeds, in the last four digits of its id; see ``new_claim_id``.
HEEDED = 0x0002
HEEDED_BITS = 0xFFFF
# At this point nothing has been sent. If the database is unavailable for longer, the message is
# requeued at the broker.
PATIENCE_SECONDS = 10.0


@dataclass(kw_only=True)
class Claim:
    """The rows claimed for one message.

    Attributes:
        id: The claim id, which is stored on the claimed rows.
        rows: The notifications to deliver now, in the order of their ids.
        early: Rows that this message names but that are not due yet.
        clock: The database's clock.
        renewed_at: ``time.monotonic()`` when the lease began or was last renewed.
    """

    id: UUID
    rows: list[Notification]
    early: list[Notification]
    clock: DatabaseClock
    renewed_at: float = field(default_factory=time.monotonic)

    def renew_when_due(self, ids: Collection[UUID]) -> None:
        """Renew the lease of these rows if the last renewal was ``RENEW_SECONDS`` ago or more.

        If the database is unavailable, only this renewal is lost. The next one has the same effect
        while the lease lasts.
        """
        if not ids or time.monotonic() - self.renewed_at < RENEW_SECONDS:
            return
        held = Notification.objects.filter(
            OneOf("pk", ids), claim_id=self.id, status=Status.SENDING
        )
        until = Now() + LEASE
        try:
            held.update(claimed_until=until, wake_at=until)
            self.renewed_at = time.monotonic()
        except Error as error:
            log.warning("a lease could not be renewed", error=type(error).__name__)
            if not connection.in_atomic_block:
                connection.close()


def new_claim_id() -> UUID:
    """Create a claim id that encodes what the worker's release supports.

    RFC 9562, 5.8 reserves version 8 for application-specific use. Here it means that the worker
    supports the ``recipient`` column. Releases before that column claim with version 7, and
    PostgreSQL refuses that for a row with a recipient (migration 0010): such a worker would look
    for the text among the templates and fail the row. The refusal makes it requeue the message at
    the broker for 8 s.

    The last four digits are ``0002`` where the worker also sends mails to operators, which have no
    account (migration 0023). Earlier releases have random digits there, and would skip such a mail.
    """
    plain = new_id().int & ~(0xF << 76) & ~HEEDED_BITS
    return UUID(int=plain | 0x8 << 76 | HEEDED)


def claim(ids: Collection[UUID], *, attempt: int) -> Claim:
    """Claim the notifications that wait for exactly this attempt.

    A message for an earlier attempt claims nothing, so duplicate message chains for one row
    collapse into one. On PostgreSQL, overlapping chunks skip each other's locked rows; a plain
    UPDATE deadlocked in 4 of 100 cases. Leases and due times are compared with the database's
    clock.

    Args:
        ids: The notifications of one message.
        attempt: The number of attempts used when the message was published.

    Raises:
        django.db.Error: The database did not answer for ``PATIENCE_SECONDS``.
    """
    claim_id = new_claim_id()

    def take(repeated: bool) -> Claim:  # noqa: FBT001 - as ``run_until_answered`` calls it.
        return _take(ids, attempt=attempt, claim_id=claim_id, repeated=repeated)

    return run_until_answered(take, what="claim", patience_seconds=PATIENCE_SECONDS)


def _take(ids: Collection[UUID], *, attempt: int, claim_id: UUID, repeated: bool) -> Claim:
    named = Notification.objects.filter(OneOf("pk", ids))
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
        # The previous try may have been committed although its connection broke.
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
    """Derive the database's time from the returned rows.

    PostgreSQL's ``STATEMENT_TIMESTAMP`` is the time at which the server received the statement, so
    ``read_at`` is the moment when it was sent. SQLite uses this machine's clock but truncates to
    milliseconds, which would put timeline entries out of order, so the local clock is used there.
    """
    if connection.vendor != "sqlite":
        for row in rows[:1]:
            assert row.claimed_until is not None
            return DatabaseClock(at=row.claimed_until - LEASE, read_at=asked_at)
        for row in early[:1]:
            return DatabaseClock(at=getattr(row, "asked_at"))  # noqa: B009 - annotated above.
    return DatabaseClock(at=timezone.now())
