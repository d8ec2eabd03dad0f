"""Record the results of a chunk in one transaction, with few statements in the normal case.

Until they are recorded, the providers' replies exist only in this process's memory. Recording is
therefore repeated until the database answers. It is idempotent: a repetition changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from apps.common.callers import Kind
from apps.common.database_retry import (
    ABOUT_THE_VALUES,
    run_if_answered,
    run_until_answered,
)
from apps.notifications.delivery import requeue, settle
from apps.notifications.delivery.attempt_rounds import AttemptRound, JudgedRound
from apps.notifications.delivery.decide import Decision
from apps.notifications.delivery.requeue import ToPublish, Wait
from apps.notifications.delivery.retry_policy import Policy, Verdict, judge
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification
from apps.notifications.providers.base import Mail, Push, Reply
from apps.notifications.statistics import record as statistics
from apps.users import contacts

log = structlog.get_logger(__name__)

# While the database is unavailable, the worker keeps replies in memory and takes no new message.
# The limit is below the 30 minutes after which the broker redelivers the unacknowledged message.
PATIENCE_SECONDS = 20 * 60.0
# Who says that an address is dead, in the suppression list.
SOURCE = "reply"


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """The results to record. They are computed once, so that every repetition stores the same.

    Attributes:
        attempts: Rows with ids already set, so that a repetition can check whether they are stored.
        unsent: Rows whose calls were not started.
    """

    claim_id: UUID
    now: datetime
    judged: Sequence[JudgedRound] = ()
    attempts: Sequence[Attempt] = ()
    held_back: Sequence[tuple[Notification, Decision]] = ()
    unsent: Sequence[Notification] = ()

    def store(self, repeated: bool) -> list[UUID]:  # noqa: FBT001 - as ``run_until_answered`` calls it.
        """Store all results or none, and return the ids of the notifications that failed."""
        with transaction.atomic():
            if repeated and self._is_stored():
                return [
                    done.notification.pk
                    for done, verdict in self.judged
                    if verdict.to is Status.FAILED
                ]
            # The attempts are inserted with the counts at the end, which saves a statement.
            with statistics.together(self.attempts):
                statistics.count_attempts(self.attempts, now=self.now)
                failed = settle.record_verdicts(self.claim_id, self.judged, now=self.now)
                failed += settle.record_decisions(self.claim_id, self.held_back, now=self.now)
                settle.release(self.claim_id, self.unsent, now=self.now)
        return failed

    def _is_stored(self) -> bool:
        """Return whether an earlier try was committed although its connection broke.

        Without attempts no check is needed: every update checks that the claim still holds the row.
        """
        return bool(self.attempts) and Attempt.objects.filter(pk=self.attempts[0].pk).exists()

    def single(self) -> "list[_Entry]":
        """Split the entry into entries of one notification each."""
        nothing = _Entry(claim_id=self.claim_id, now=self.now)
        own = defaultdict[UUID, list[Attempt]](list)
        for attempt in self.attempts:
            own[attempt.notification_id].append(attempt)
        return [
            *(
                replace(nothing, judged=[one], attempts=own[one[0].notification.pk])
                for one in self.judged
            ),
            *(replace(nothing, held_back=[one]) for one in self.held_back),
            *(replace(nothing, unsent=[one]) for one in self.unsent),
        ]

    def without_words(self) -> "_Entry":
        """Remove the provider's texts, because the database may have refused one of them."""
        for attempt in self.attempts:
            attempt.code = attempt.detail = attempt.provider_message_id = ""
        judged = [(done, replace(verdict, detail="")) for done, verdict in self.judged]
        return replace(self, judged=judged)


def outcomes(
    claim_id: UUID,
    *,
    rounds: Sequence[AttemptRound],
    held_back: Sequence[tuple[Notification, Decision]],
    policy: Policy,
    now: datetime,
) -> ToPublish:
    """Record the results of a chunk and return the messages to publish.

    A row that another process holds by now, or that a receipt has updated, keeps its status. Its
    attempts are recorded anyway, because the calls were made. If no process holds the row, an
    acceptance counts even if it is recorded late.

    Args:
        claim_id: The claim that held the rows when they were sent.
        rounds: The results of the rows that were sent, or held by a breaker or limit.
        held_back: The rows that are not sent now, with the decision for each.
        policy: Attempts and backoff.
        now: The current time of the database's clock, UTC.

    Raises:
        django.db.Error: The database did not answer for ``PATIENCE_SECONDS``.
    """
    moving = [done for done in rounds if done.replies or done.held]
    judged = [(done, _verdict(done, now=now, policy=policy)) for done in moving]
    unsent = [done.notification for done in rounds if not (done.replies or done.held)]
    entry = _Entry(
        claim_id=claim_id,
        now=now,
        judged=judged,
        attempts=[row for done in rounds for row in _attempts(done)],
        held_back=held_back,
        unsent=unsent,
    )
    failed = _stored(entry)
    _retire_addresses(rounds)
    _log(judged, held_back)
    waits: list[Wait] = [(row, row.attempts, None) for row in unsent]
    waits += [
        _wait(done, verdict)
        for done, verdict in judged
        if verdict.next_attempt_at and not verdict.by_sweep
    ]
    return ToPublish(retries=requeue.group(waits, now=now), failed=failed)


def _stored(entry: _Entry) -> list[UUID]:
    """Store an entry. If the database refuses a value, store each notification separately."""
    try:
        return run_until_answered(
            entry.store, what="record outcomes", patience_seconds=PATIENCE_SECONDS
        )
    except (*ABOUT_THE_VALUES, ValueError):
        log.exception("outcomes cannot be stored together; rows are recorded one by one")
    failed: list[UUID] = []
    for one in entry.single():
        for attempt in (one, one.without_words()):
            try:
                failed += run_until_answered(
                    attempt.store, what="record an outcome", patience_seconds=PATIENCE_SECONDS
                )
                break
            except (*ABOUT_THE_VALUES, ValueError):
                log.exception("an outcome cannot be stored", notification_id=_named(one))
    return failed


def _named(entry: _Entry) -> list[str]:
    rows = [done.notification for done, _ in entry.judged]
    rows += [row for row, _ in entry.held_back]
    return [str(row.pk) for row in [*rows, *entry.unsent]]


def _verdict(done: AttemptRound, *, now: datetime, policy: Policy) -> Verdict:
    replies = done.replies
    if replies and done.out_of_time:
        # Calls for some devices were not started in time. They have no reply, so retry them.
        replies = [*replies, Reply(outcome=Outcome.TRANSIENT, detail="the chunk ran out of time")]
    return judge(
        replies,
        held=done.held,
        accepted_before=done.accepted_before,
        unknown_before=done.unknown_before,
        attempts=done.notification.attempts,
        expires_at=done.notification.expires_at,
        now=now,
        policy=policy,
    )


def _wait(done: AttemptRound, verdict: Verdict) -> Wait:
    spent = done.notification.attempts + (1 if verdict.spent else 0)
    return done.notification, spent, verdict.next_attempt_at


def _attempts(done: AttemptRound) -> Iterable[Attempt]:
    for call in done.calls:
        if call.reply is not None:
            message, reply = call.message, call.reply
            yield Attempt(
                notification=done.notification,
                number=done.notification.attempts + 1,
                provider=call.provider,
                device_id=message.device_id if isinstance(message, Push) else None,
                address_hash=(
                    contacts.address_hash(message.recipient) if isinstance(message, Mail) else None
                ),
                outcome=reply.outcome,
                code=reply.code[:100],
                detail=reply.detail[:500],
                provider_message_id=reply.provider_message_id[:255],
                correlation_id=done.notification.correlation_id,
                started_at=done.started_at,
                duration_ms=reply.duration_ms,
            )


def _retire_addresses(rounds: Sequence[AttemptRound]) -> None:
    """Suppress dead addresses and retire dead device tokens, so that they are not used again.

    If this fails, the next message to the address finds it dead again.

    This runs in separate statements after the record, so that no transaction waits for an address
    lock while it holds row locks. Otherwise two chunks with the same dead addresses in different
    order would deadlock.
    """
    emails: dict[str, str] = {}
    devices: dict[UUID, str] = {}
    for done in rounds:
        if done.notification.kind == Kind.TEST:
            # The sandbox only simulates dead addresses: they and the devices belong to real users.
            continue
        for call in done.calls:
            message, reply = call.message, call.reply
            if reply is None or reply.outcome is not Outcome.DEAD_ADDRESS:
                continue
            reason = reply.reason or reply.code
            if isinstance(message, Push):
                devices[message.device_id] = reason
            elif not done.notification.is_test:
                emails[message.recipient] = reason
    if emails:
        run_if_answered(
            "dead addresses are not suppressed yet",
            lambda: contacts.suppress_all(emails, source=SOURCE),
        )
    if devices:
        run_if_answered("dead devices are not retired", lambda: contacts.retire_devices(devices))


def _log(judged: Sequence[JudgedRound], held_back: Sequence[tuple[Notification, Decision]]) -> None:
    """Write one log line for each notification, with ids only and no personal data."""
    for done, verdict in judged:
        log.info(
            "notification attempted" if done.replies else "notification waits for a provider",
            notification_id=str(done.notification.pk),
            correlation_id=done.notification.correlation_id,
            channel=done.notification.channel,
            provider=done.provider,
            attempt=done.notification.attempts + (1 if verdict.spent else 0),
            status=verdict.to.value,
            reason=verdict.reason,
        )
    for notification, found in held_back:
        log.info(
            "notification not sent",
            notification_id=str(notification.pk),
            correlation_id=notification.correlation_id,
            channel=notification.channel,
            status=found.to.value,
            reason=found.reason,
        )
