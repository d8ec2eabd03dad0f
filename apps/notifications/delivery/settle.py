"""Move the rows of a chunk to where its answers lead: few statements where all is well.

Every move asks whether the claim still holds its row, so that repeating one changes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When

from apps.common.database_retry import run_if_answered
from apps.notifications.dead_letters import store
from apps.notifications.delivery.attempt_rounds import AttemptRound, Judged
from apps.notifications.delivery.decide import USER_ERASED, Decision
from apps.notifications.lifecycle.states import UNKNOWN_OUTCOME, Status
from apps.notifications.lifecycle.transitions import advance, advance_telling
from apps.notifications.models import Notification, Receipt
from apps.notifications.privacy.redaction import ERASED

log = structlog.get_logger(__name__)

# A retry's message is due with its row; the sweep looks for it when it has not come by then.
RETRY_GRACE = timedelta(seconds=30)
# As for a message that was just published.
RELEASE_GRACE = timedelta(seconds=60)
# Endings that say that no acceptance is known. One that comes to be known settles them.
UNPROVEN = ("crashed", "attempts_exhausted", UNKNOWN_OUTCOME)


def record_verdicts(claim_id: UUID, judged: Sequence[Judged], *, now: datetime) -> list[UUID]:
    """Move the rows of a chunk and return those that failed."""
    accepted = defaultdict[Status, list[AttemptRound]](list)
    failed: list[UUID] = []
    retrying: list[Judged] = []
    for done, verdict in judged:
        if verdict.to is Status.RETRYING:
            retrying.append((done, verdict))
        elif verdict.to in {Status.SENT, Status.DELIVERED}:
            accepted[verdict.to].append(done)
        else:
            moved = advance_telling(
                [done.notification.pk],
                to=verdict.to,
                now=now,
                detail=verdict.detail,
                reason=verdict.reason,
                only=Q(claim_id=claim_id),
                claim_id=None,
                attempts=F("attempts") + (1 if verdict.spent else 0),
            )
            if verdict.to is Status.FAILED:
                failed += moved
    for to, rounds in accepted.items():
        _record_accepted(claim_id, rounds, to=to, now=now)
    _record_retrying(claim_id, retrying, now=now)
    return failed


def _record_accepted(
    claim_id: UUID, rounds: Sequence[AttemptRound], *, to: Status, now: datetime
) -> None:
    ids = [done.notification.pk for done in rounds]
    held = Notification.objects.filter(pk__in=ids, claim_id=claim_id)
    sending = held.filter(status=Status.SENDING)
    moved = advance(sending, to=to, now=now, attempts=F("attempts") + 1, claim_id=None)
    if moved < len(ids):
        # A receipt was faster than this record: the status stands, the attempt still counts.
        held.update(attempts=F("attempts") + 1, claim_id=None)
        _record_late(ids, to=to, now=now)
    if to is Status.SENT:
        _heed_receipts(rounds, now=now)
    if to is Status.DELIVERED:
        Receipt.objects.bulk_create(
            [
                Receipt(
                    notification=done.notification,
                    provider=done.provider,
                    event=Status.DELIVERED,
                    occurred_at=now,
                    received_at=now,
                )
                for done in rounds
            ]
        )


def _heed_receipts(rounds: Sequence[AttemptRound], *, now: datetime) -> None:
    """Let receipts count that came while other devices of a push were still to be sent to."""
    several = [
        done.notification.pk for done in rounds if len(done.calls) > 1 or done.accepted_before
    ]
    if several:
        told = Receipt.objects.filter(notification_id__in=several, event=Status.DELIVERED)
        delivered = set(told.values_list("notification_id", flat=True))
        advance(Notification.objects.filter(pk__in=delivered), to=Status.DELIVERED, now=now)


def _record_late(ids: Sequence[UUID], *, to: Status, now: datetime) -> None:
    """Settle rows that were taken from this claim, and that nobody holds now.

    The claim's lease ended while its holder stood still or had no database. Whoever holds a row
    keeps it; it is settled when it comes back, because the attempt is recorded.
    """
    late = advance_telling(
        ids,
        to=Status.SENT,
        now=now,
        detail="the provider had accepted it, which was recorded late",
        only=Q(claim_id=None) & (~Q(status=Status.FAILED) | Q(reason__in=UNPROVEN)),
        attempts=F("attempts") + 1,
    )
    if late and to is Status.DELIVERED:
        advance(Notification.objects.filter(pk__in=late), to=to, now=now)
    if late:
        # A letter that stays open all the same cannot be replayed: its notification is sent.
        log.warning("acceptances recorded late", notification_ids=[str(pk) for pk in late])
        transaction.on_commit(
            lambda: run_if_answered(
                "dead letters of what was sent stay open",
                lambda: store.resolve(late, now=now, why="the provider had accepted it"),
            )
        )


def _record_retrying(claim_id: UUID, judged: Sequence[Judged], *, now: datetime) -> None:
    """Write every row's own due time in one statement for each way to count and tell."""
    groups = defaultdict[tuple[bool, bool, str], list[Judged]](list)
    for done, verdict in judged:
        groups[verdict.spent, verdict.gathered, verdict.detail].append((done, verdict))
    for (spent, gathered, detail), members in groups.items():
        # The sweep itself wakes what is gathered; what has a message, only if that does not come.
        grace = timedelta(0) if gathered else RETRY_GRACE
        due = {done.notification.pk: verdict.next_attempt_at for done, verdict in members}
        advance_telling(
            list(due),
            to=Status.RETRYING,
            now=now,
            detail=detail,
            only=Q(claim_id=claim_id),
            claim_id=None,
            attempts=F("attempts") + (1 if spent else 0),
            next_attempt_at=_case(due),
            wake_at=_case({pk: at + grace for pk, at in due.items() if at is not None}),
            claimed_until=None,
            wakes=0,
        )


def _case(values: dict[UUID, datetime] | dict[UUID, datetime | None]) -> Case:
    whens = [When(pk=pk, then=Value(value)) for pk, value in values.items()]
    return Case(*whens, output_field=DateTimeField())


def record_decisions(
    claim_id: UUID, held_back: Sequence[tuple[Notification, Decision]], *, now: datetime
) -> list[UUID]:
    """End or postpone the rows that do not go out now, and return those that failed."""
    groups = defaultdict[Decision, list[UUID]](list)
    for notification, found in held_back:
        groups[found].append(notification.pk)
    failed: list[UUID] = []
    for found, ids in groups.items():
        changes: dict[str, Any] = {}
        if found.to is Status.SCHEDULED:
            changes = {
                "wake_at": found.until,
                "next_attempt_at": found.until,
                "claimed_until": None,
            }
        elif found.reason == USER_ERASED:
            # Accepted by a process that did not know of the erasure yet.
            changes = ERASED
        moved = advance_telling(
            ids,
            to=found.to,
            now=now,
            detail=found.detail,
            reason=found.reason,
            only=Q(claim_id=claim_id),
            claim_id=None,
            **changes,
        )
        if found.to is Status.FAILED:
            failed += moved
    return failed


def release(claim_id: UUID, unsent: Sequence[Notification], *, now: datetime) -> None:
    """Give rows back whose turn did not come before the chunk's time was over."""
    if unsent:
        advance(
            Notification.objects.filter(pk__in=[row.pk for row in unsent], claim_id=claim_id),
            to=Status.PENDING,
            now=now,
            claim_id=None,
            claimed_until=None,
            wake_at=now + RELEASE_GRACE,
        )
