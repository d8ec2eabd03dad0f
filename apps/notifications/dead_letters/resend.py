"""Replay ended notifications as new notifications with the same content."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.common.callers import Caller
from apps.common.channels import Channel
from apps.common.middleware.correlation import current_id
from apps.common.rest.problems import Problem, impossible
from apps.notifications.broker import publisher
from apps.notifications.dead_letters import store as dead_letters
from apps.notifications.dead_letters.store import Replayed
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import REPLAYABLE, UNKNOWN_OUTCOME, Status
from apps.notifications.models import Attempt, DeadLetter, LetterState, Notification
from apps.notifications.statistics.record import insert_accepted
from apps.users import contacts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The result of one replay.

    Attributes:
        notification: The new row, as it was first stored.
        repeated: Whether an earlier call with the same key stored it.
    """

    notification: Notification
    repeated: bool = False


def replay(
    original: Notification,
    *,
    caller: Caller,
    may_have_arrived: bool = False,
    key: str | None = None,
) -> Replay:
    """Replay one notification, and mark its dead letter as replayed.

    The user's current preferences and addresses apply, checked at send time. Client and kind stay
    the same.

    Args:
        original: The ended notification.
        caller: The API client that replays.
        may_have_arrived: Whether the caller accepts that the user may get the message twice.
        key: The idempotency key; the call may be repeated with it.

    Raises:
        Problem: 409 if the status of the original does not allow a replay, or if it may have
            arrived and the caller has not accepted that; 422 if its user no longer exists, or if
            the key was used for another request.
    """
    if (first := _stored_before(original, key)) is not None:
        return first
    now = timezone.now()
    by = caller.client or ""
    try:
        with transaction.atomic():
            letter = _unsettled_letter(original)
            (answer,) = store(
                [original], by=by, now=now, may_have_arrived=may_have_arrived, key=key
            )
            if isinstance(answer, Problem):
                raise answer
            if letter is not None:
                done = Replayed(letter=letter, replayed_as=answer.pk)
                dead_letters.mark_replayed([done], by=by, now=now)
    except IntegrityError:
        # A concurrent call with this key was stored first.
        if (first := _stored_before(original, key)) is None:
            raise
        return first
    return Replay(notification=answer)


def _stored_before(original: Notification, key: str | None) -> Replay | None:
    """Return the replay that an earlier call with the same key stored; None without one.

    Raises:
        Problem: 422 if the key was used for another request.
    """
    if key is None:
        return None
    rows = Notification.objects.filter(client=original.client, kind=original.kind, request_id=key)
    first = rows.first()
    if first is None:
        return None
    if first.replay_of != original.pk:
        raise impossible(
            "/request_id",
            "idempotency_key_reused",
            "This idempotency key was used for another request.",
        )
    return Replay(notification=first, repeated=True)


def store(
    originals: Sequence[Notification],
    *,
    by: str,
    now: datetime,
    may_have_arrived: bool = False,
    key: str | None = None,
) -> list[Notification | Problem]:
    """Store new rows for the notifications that may be replayed, and wake workers on commit.

    Args:
        originals: The notifications. Each is checked independently.
        by: The actor, for the log.
        now: The time of the replay, UTC.
        may_have_arrived: Whether the actor accepts that a user may get the message twice.
        key: The idempotency key of a call with a single notification.

    Returns:
        In the order of the originals, the new row, or the 409 or 422 that says why there is none.
    """
    known = contacts.known_locales({original.user_id for original in originals})
    doubtful = set() if may_have_arrived else that_may_have_arrived(originals)
    answers = [
        _needs_consent()
        if original.pk in doubtful
        else _copy_or_problem(original, known=known.keys(), now=now)
        for original in originals
    ]
    rows = [answer for answer in answers if isinstance(answer, Notification)]
    for row in rows:
        if key is not None:
            # No request has this digest, so no send request counts as a repetition of this replay.
            row.request_id, row.body_digest = key, hashlib.sha256(str(row.pk).encode()).digest()
            row.canonical_digest = row.digest_form = None
    insert_accepted(rows)
    # From now on only the new row stores the secret variables of a sensitive template.
    dead_letters.blank_secrets([row.replay_of for row in rows if row.sensitive and row.replay_of])
    publisher.hand_over(rows)
    for row in rows:
        log.info(
            "notification replayed",
            notification_id=str(row.pk),
            replay_of=str(row.replay_of),
            by=by,
        )
    return answers


def _unsettled_letter(original: Notification) -> DeadLetter | None:
    """Return the dead letter of a notification, locked, unless it has been replayed.

    If the dead letter is still in the queue, it is recorded here. Otherwise it would be recorded
    as open later, and the notification could be replayed a second time.
    """
    letters = DeadLetter.objects.filter(notification=original)
    if original.status == Status.FAILED and not letters.exists():
        dead_letters.record_failed([original.pk])
    return letters.exclude(state=LetterState.REPLAYED).select_for_update().first()


def that_may_have_arrived(originals: Sequence[Notification]) -> set[UUID]:
    """Return the ids of mails of which the user may already have a copy.

    A call with an unknown outcome may have delivered it. So may an accepted call of a notification
    that was cancelled or skipped before the acceptance was recorded. Pushes are not included,
    because a second push replaces the first one. A later failure report of a provider is accepted
    as true.
    """
    mails = {row.pk: row for row in originals if row.channel == Channel.EMAIL}
    given_up = {pk for pk, row in mails.items() if row.reason == UNKNOWN_OUTCOME}
    calls = Attempt.objects.filter(
        notification_id__in=mails, outcome__in=(Outcome.UNKNOWN, Outcome.ACCEPTED)
    )
    found = calls.values_list("notification_id", "outcome")
    return given_up | {
        pk
        for pk, outcome in found
        if outcome == Outcome.UNKNOWN or mails[pk].status in {Status.CANCELLED, Status.SKIPPED}
    }


def _needs_consent() -> Problem:
    detail = (
        "Nobody knows whether this mail has arrived, so the person may get it twice. "
        "Repeat the call with may_have_arrived set to true to send it all the same."
    )
    return Problem(409, detail, code="may_have_arrived")


def _copy_or_problem(
    original: Notification, *, known: Collection[UUID], now: datetime
) -> Notification | Problem:
    if original.status not in REPLAYABLE:
        return Problem(409, f"A notification that is {original.status} cannot be replayed.")
    if original.for_operators:
        detail = (
            "This mail told operators about a moment. What needs attention is on the desk's Home."
        )
        return Problem(409, detail, code="variables_redacted")
    if original.user_id not in known:
        return impossible("", "unknown_user", "The user no longer exists.")
    if original.redacted:
        detail = (
            "The content of this mail has been redacted. The recipient has to request a new one."
            if original.recipient is not None
            else "The variables of this notification have been redacted: its template is sensitive."
        )
        return Problem(409, detail, code="variables_redacted")
    return Notification(
        client=original.client,
        kind=original.kind,
        body_digest=original.body_digest,
        canonical_digest=original.canonical_digest,
        digest_form=original.digest_form,
        replay_of=original.pk,
        correlation_id=current_id(),
        channel=original.channel,
        user_id=original.user_id,
        template_code=original.template_code,
        template_version=original.template_version,
        template_version_id=original.template_version_id,
        language=original.language,
        reply_to=original.reply_to,
        variables=original.variables,
        sensitive=original.sensitive,
        secret_variables=original.secret_variables,
        metadata=original.metadata,
        priority=original.priority,
        status=Status.PENDING,
        wake_at=publisher.first_wake(now),
        created_at=now,
        updated_at=now,
    )
