"""Record what a chunk came to: one transaction, few statements where all is well.

What is known to be sent is in this process's memory alone until it is recorded, so recording is
repeated until the database answers, and repeated it changes nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import Error, transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When

from apps.common.callers import Kind
from apps.common.database_retry import ABOUT_THE_VALUES, run_until_answered
from apps.common.inserting import insert
from apps.notifications import dead_letters, outbox
from apps.notifications.delivery import again
from apps.notifications.delivery.again import Again
from apps.notifications.delivery.eligibility import USER_ERASED, Hindrance
from apps.notifications.delivery.retry import Held, Policy, Verdict, judge
from apps.notifications.models import Attempt, Notification, Receipt
from apps.notifications.providers.base import Mail, Outcome, Push, Reply
from apps.notifications.redaction import ERASED
from apps.notifications.states import UNKNOWN_OUTCOME, Status
from apps.notifications.timeline import advance, advance_telling
from apps.users import contacts

log = structlog.get_logger(__name__)

# A retry's message is due with its row; the sweep looks for it when it has not come by then.
RETRY_GRACE = timedelta(seconds=30)
# As for a message that was just published.
RELEASE_GRACE = timedelta(seconds=60)
# Answers are kept in memory, and nothing new is taken, for as long as the database is away, but not
# until the broker takes the message back, which it does after 30 minutes.
PATIENCE_SECONDS = 20 * 60.0
# A dead address that is not put down now is found dead again by the next message to it.
AFTERWARDS_SECONDS = 10.0
# Endings that say that no acceptance is known. One that comes to be known settles them.
UNPROVEN = ("crashed", "attempts_exhausted", UNKNOWN_OUTCOME)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One message of a round.

    Attributes:
        provider: Who was to take it; empty where no provider takes calls now.
        reply: The answer; None where the call was not begun.
        held: How long a message waits that may not go now.
    """

    message: Mail | Push
    provider: str
    reply: Reply | None
    held: Held | None = None


@dataclass(frozen=True, kw_only=True)
class Round:
    """One notification's calls of one chunk.

    Attributes:
        accepted_before: Whether a device accepted it in an earlier round.
        unknown_before: Earlier calls of a mail whose outcome is unknown.
    """

    notification: Notification
    started_at: datetime
    accepted_before: bool
    calls: Sequence[Call]
    unknown_before: int = 0

    @property
    def replies(self) -> list[Reply]:
        """The answers that came."""
        return [call.reply for call in self.calls if call.reply is not None]

    @property
    def held(self) -> Held | None:
        """How long the first of the messages waits that may not go now."""
        held = [call.held for call in self.calls if call.held is not None]
        return min(held, key=lambda each: each.until, default=None)

    @property
    def out_of_time(self) -> bool:
        """Whether a message that had a provider was not begun before the chunk was over."""
        return any(call.reply is None and call.held is None for call in self.calls)

    @property
    def provider(self) -> str:
        """Who answered."""
        return next((call.provider for call in self.calls if call.reply is not None), "")


Judged = tuple[Round, Verdict]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """What is to be recorded, judged once, so that it stays the same when it is repeated.

    Attributes:
        attempts: Their ids are set, so that a repetition finds out whether they are stored.
        unsent: Rows whose turn did not come.
    """

    claim_id: UUID
    now: datetime
    judged: Sequence[Judged] = ()
    attempts: Sequence[Attempt] = ()
    hindered: Sequence[tuple[Notification, Hindrance]] = ()
    unsent: Sequence[Notification] = ()

    def store(self, repeated: bool) -> list[UUID]:  # noqa: FBT001 - as ``run_until_answered`` calls it.
        """Store all of it or nothing, and return the notifications that failed."""
        with transaction.atomic():
            if repeated and self._is_stored():
                return [
                    done.notification.pk
                    for done, verdict in self.judged
                    if verdict.to is Status.FAILED
                ]
            insert(self.attempts)
            failed = _record_verdicts(self.claim_id, self.judged, now=self.now)
            failed += _record_hindrances(self.claim_id, self.hindered, now=self.now)
            _release(self.claim_id, self.unsent, now=self.now)
        return failed

    def _is_stored(self) -> bool:
        """Tell whether an earlier try was committed although its connection broke.

        Without attempts that needs no answer: every move asks whether the claim still holds.
        """
        return bool(self.attempts) and Attempt.objects.filter(pk=self.attempts[0].pk).exists()

    def single(self) -> "list[_Entry]":
        """Take it apart into entries of one notification each."""
        nothing = _Entry(claim_id=self.claim_id, now=self.now)
        own = defaultdict[UUID, list[Attempt]](list)
        for attempt in self.attempts:
            own[attempt.notification_id].append(attempt)
        return [
            *(
                replace(nothing, judged=[one], attempts=own[one[0].notification.pk])
                for one in self.judged
            ),
            *(replace(nothing, hindered=[one]) for one in self.hindered),
            *(replace(nothing, unsent=[one]) for one in self.unsent),
        ]

    def without_words(self) -> "_Entry":
        """Leave out the provider's words, of which one may be what the database refuses."""
        for attempt in self.attempts:
            attempt.code = attempt.detail = attempt.provider_message_id = ""
        judged = [(done, replace(verdict, detail="")) for done, verdict in self.judged]
        return replace(self, judged=judged)


def outcomes(
    claim_id: UUID,
    *,
    rounds: Sequence[Round],
    hindered: Sequence[tuple[Notification, Hindrance]],
    policy: Policy,
    now: datetime,
) -> list[Again]:
    """Record a chunk and return what has to be put on the broker again.

    A row that another process holds by now, or that a receipt has moved on, keeps its status;
    its attempts are recorded all the same, because they happened. Where nobody holds the row, an
    acceptance counts although it is recorded late.

    Args:
        claim_id: The claim that held the rows when they went out.
        rounds: What came of those that went out, or were held back.
        hindered: Those that do not go out now.
        policy: Attempts and backoff.
        now: The present by the database's clock, UTC.

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
        hindered=hindered,
        unsent=unsent,
    )
    failed = _stored(entry)
    _afterwards("dead letters wait for the sweep", lambda: outbox.publish_failed(failed))
    _retire_addresses(rounds)
    _log(judged, hindered)
    waits = [(row, row.attempts, None) for row in unsent]
    return again.group(
        [
            *waits,
            *(
                _wait(done, verdict)
                for done, verdict in judged
                if verdict.next_attempt_at and not verdict.gathered
            ),
        ],
        now=now,
    )


def _stored(entry: _Entry) -> list[UUID]:
    """Store an entry; what the database refuses costs its neighbours nothing."""
    try:
        return run_until_answered(
            entry.store, what="record outcomes", patience_seconds=PATIENCE_SECONDS
        )
    except (*ABOUT_THE_VALUES, ValueError):
        log.exception("outcomes cannot be stored together; each is tried alone")
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
    rows += [row for row, _ in entry.hindered]
    return [str(row.pk) for row in [*rows, *entry.unsent]]


def _afterwards(words: str, step: Callable[[], object]) -> None:
    """Do what follows a record that is committed; it may fail, and the record stands."""
    try:
        run_until_answered(lambda _: step(), what=words, patience_seconds=AFTERWARDS_SECONDS)
    except Error as error:
        log.warning(words, error=type(error).__name__)


def _verdict(done: Round, *, now: datetime, policy: Policy) -> Verdict:
    replies = done.replies
    if replies and done.out_of_time:
        # Some devices were not reached in time: that is no answer of theirs, so try them again.
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


def _wait(done: Round, verdict: Verdict) -> tuple[Notification, int, datetime | None]:
    spent = done.notification.attempts + (1 if verdict.spent else 0)
    return done.notification, spent, verdict.next_attempt_at


def _attempts(done: Round) -> Iterable[Attempt]:
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


def _record_verdicts(claim_id: UUID, judged: Sequence[Judged], *, now: datetime) -> list[UUID]:
    """Move the rows of a chunk and return those that failed."""
    accepted = defaultdict[Status, list[Round]](list)
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


def _record_accepted(claim_id: UUID, rounds: Sequence[Round], *, to: Status, now: datetime) -> None:
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


def _heed_receipts(rounds: Sequence[Round], *, now: datetime) -> None:
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
        log.warning("acceptances recorded late", notification_ids=[str(pk) for pk in late])
        transaction.on_commit(
            lambda: _afterwards(
                "dead letters of what was sent stay open",
                lambda: dead_letters.resolve(late, now=now, why="the provider had accepted it"),
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


def _record_hindrances(
    claim_id: UUID, hindered: Sequence[tuple[Notification, Hindrance]], *, now: datetime
) -> list[UUID]:
    groups = defaultdict[Hindrance, list[UUID]](list)
    for notification, found in hindered:
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


def _release(claim_id: UUID, unsent: Sequence[Notification], *, now: datetime) -> None:
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


def _retire_addresses(rounds: Sequence[Round]) -> None:
    """Never use a dead address or token again.

    In statements of their own after the record, so that no transaction waits for an address while
    it holds rows: two chunks with the same dead addresses in different order would wait for each
    other.
    """
    emails: dict[str, str] = {}
    devices: dict[UUID, str] = {}
    for done in rounds:
        if done.notification.kind == Kind.TEST:
            # The sandbox plays dead what is alive: addresses and devices belong to live users.
            continue
        for call in done.calls:
            message, reply = call.message, call.reply
            if reply is None or reply.outcome is not Outcome.DEAD_ADDRESS:
                continue
            reason = reply.reason or reply.code
            if isinstance(message, Push):
                devices[message.device_id] = reason
            else:
                emails[message.recipient] = reason
    if emails:
        _afterwards("dead addresses are not put down", lambda: contacts.suppress_all(emails))
    if devices:
        _afterwards("dead devices are not retired", lambda: contacts.retire_devices(devices))


def _log(judged: Sequence[Judged], hindered: Sequence[tuple[Notification, Hindrance]]) -> None:
    """Write one line for each notification; ids only, no personal data."""
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
    for notification, found in hindered:
        log.info(
            "notification not sent",
            notification_id=str(notification.pk),
            correlation_id=notification.correlation_id,
            channel=notification.channel,
            status=found.to.value,
            reason=found.reason,
        )
