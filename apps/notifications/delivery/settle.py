"""Update the status of a chunk's rows from the replies, with few statements in the normal case.

Every update checks that the claim still holds its row, so a repeated update changes nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When

from apps.common.database_retry import run_if_answered
from apps.common.postgresql.one_of import OneOf
from apps.notifications.dead_letters import store
from apps.notifications.delivery.attempt_rounds import AttemptRound, JudgedRound
from apps.notifications.delivery.decide import USER_ERASED, Decision
from apps.notifications.lifecycle.states import UNPROVEN, Status
from apps.notifications.lifecycle.transitions import advance, advance_sending, advance_with_event
from apps.notifications.models import Notification, Receipt
from apps.notifications.privacy.redaction import ERASED

log = structlog.get_logger(__name__)

# A retry's message arrives when its row is due. The sweep checks the row this long after that, in
# case the message was lost.
RETRY_GRACE = timedelta(seconds=30)
# The same time as for a newly published message.
RELEASE_GRACE = timedelta(seconds=60)


def record_verdicts(claim_id: UUID, judged: Sequence[JudgedRound], *, now: datetime) -> list[UUID]:
    """Update the rows of a chunk and return the ids of those that failed."""
    accepted = defaultdict[Status, list[AttemptRound]](list)
    failed: list[UUID] = []
    retrying: list[JudgedRound] = []
    for done, verdict in judged:
        if verdict.to is Status.RETRYING:
            retrying.append((done, verdict))
        elif verdict.to in {Status.SENT, Status.DELIVERED}:
            accepted[verdict.to].append(done)
        else:
            moved = advance_with_event(
                [done.notification.pk],
                to=verdict.to,
                now=now,
                detail=verdict.detail,
                reason=verdict.reason,
                provider=done.provider,
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
    providers = {done.notification.pk: done.provider for done in rounds}
    moved = advance_sending(
        [done.notification for done in rounds],
        claim_id=claim_id,
        to=to,
        now=now,
        provider=providers,
        attempts=F("attempts") + 1,
    )
    if moved < len(ids):
        held = Notification.objects.filter(OneOf("pk", ids), claim_id=claim_id)
        # A receipt was processed first: keep its status, but count the attempt.
        held.update(attempts=F("attempts") + 1, claim_id=None)
        _record_late(providers, to=to, now=now)
    if to is Status.SENT:
        _apply_receipts(rounds, now=now)
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


def _apply_receipts(rounds: Sequence[AttemptRound], *, now: datetime) -> None:
    """Apply receipts that arrived while other devices of a push had not been sent to yet."""
    several = [
        done.notification.pk for done in rounds if len(done.calls) > 1 or done.accepted_before
    ]
    if several:
        receipts = Receipt.objects.filter(notification_id__in=several, event=Status.DELIVERED)
        delivered = set(receipts.values_list("notification_id", flat=True))
        advance(
            Notification.objects.filter(pk__in=delivered),
            to=Status.DELIVERED,
            now=now,
            provider={done.notification.pk: done.provider for done in rounds},
        )


def _record_late(providers: Mapping[UUID, str], *, to: Status, now: datetime) -> None:
    """Record acceptances for rows that this claim has lost and that no other claim holds now.

    The claim's lease ended while its worker was suspended or had no database. A row that another
    claim holds is left to that claim. The recorded attempt settles the row when it is requeued.
    """
    late = advance_with_event(
        list(providers),
        to=Status.SENT,
        now=now,
        detail="the provider had accepted it, which was recorded late",
        provider=providers,
        only=Q(claim_id=None) & (~Q(status=Status.FAILED) | Q(reason__in=UNPROVEN)),
        attempts=F("attempts") + 1,
    )
    if late and to is Status.DELIVERED:
        advance(Notification.objects.filter(pk__in=late), to=to, now=now, provider=providers)
    if late:
        # If a dead letter stays open anyway, it cannot be replayed: its notification is ``sent``.
        log.warning("acceptances recorded late", notification_ids=[str(pk) for pk in late])
        transaction.on_commit(
            lambda: run_if_answered(
                "dead letters of what was sent stay open",
                lambda: store.resolve(late, now=now, why="the provider had accepted it"),
            )
        )


def _record_retrying(claim_id: UUID, judged: Sequence[JudgedRound], *, now: datetime) -> None:
    """Write each row's due time, with one statement per combination of counting and detail."""
    groups = defaultdict[tuple[bool, bool, str], list[JudgedRound]](list)
    for done, verdict in judged:
        groups[verdict.spent, verdict.by_sweep, verdict.detail].append((done, verdict))
    for (spent, by_sweep, detail), members in groups.items():
        # The sweep wakes gathered rows when they are due. The others have a message of their own,
        # so the sweep wakes them only if that message is lost.
        grace = timedelta(0) if by_sweep else RETRY_GRACE
        due = {done.notification.pk: verdict.next_attempt_at for done, verdict in members}
        advance_with_event(
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
    """End or postpone the rows that are not sent now, and return the ids of those that failed."""
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
            # The request was accepted by a process that did not see the erasure yet.
            changes = ERASED
        moved = advance_with_event(
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
    """Release rows whose calls were not started before the chunk's time limit."""
    if unsent:
        advance(
            Notification.objects.filter(OneOf("pk", [row.pk for row in unsent]), claim_id=claim_id),
            to=Status.PENDING,
            now=now,
            claim_id=None,
            claimed_until=None,
            wake_at=now + RELEASE_GRACE,
        )
