"""Send what ended badly once more, as new notifications with the same content."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.common.callers import Caller
from apps.common.middleware.correlation import current_id
from apps.common.postgresql.json_insert import insert
from apps.common.rest.problems import Problem, impossible
from apps.notifications.broker import publisher
from apps.notifications.broker.topology import Channel
from apps.notifications.dead_letters import store as dead_letters
from apps.notifications.dead_letters.store import Replayed
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.states import REPLAYABLE, UNKNOWN_OUTCOME, Status
from apps.notifications.models import Attempt, DeadLetter, LetterState, Notification
from apps.users import contacts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The answer to one replay.

    Attributes:
        notification: The new row, as it was first stored.
        repeated: Whether an earlier call with the same key had stored it.
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
    """Send one notification that ended badly once more; its dead letter is settled with it.

    Preferences and addresses are today's, judged when sending; client and kind stay.

    Args:
        original: What ended.
        caller: Who replays.
        may_have_arrived: Whether the caller knows that the person may get it twice.
        key: The idempotency key; the call may be repeated with it.

    Raises:
        Problem: 409 when the original has not ended in a way that allows it, or may have arrived
            and the caller has not said that this is known; 422 when its user is gone, or when the
            key was used for something else.
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
        # Another call with this key was faster.
        if (first := _stored_before(original, key)) is None:
            raise
        return first
    return Replay(notification=answer)


def _stored_before(original: Notification, key: str | None) -> Replay | None:
    """Find what an earlier call with the same key stored.

    Raises:
        Problem: 422 when the key was used for something else.
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
    """Store new rows for those that may be replayed, and have workers woken on commit.

    Args:
        originals: Notifications, each judged by itself.
        by: Who replays, for the log.
        now: The time of the replay, UTC.
        may_have_arrived: Whether whoever replays knows that a person may get it twice.
        key: The idempotency key of a call for one.

    Returns:
        In their order, the new row, or the 409 or 422 that says why there is none.
    """
    known = contacts.known_locales({original.user_id for original in originals})
    doubtful = set() if may_have_arrived else _may_have_arrived(originals)
    answers = [
        _asks_first() if original.pk in doubtful else _judged(original, known=known.keys(), now=now)
        for original in originals
    ]
    rows = [answer for answer in answers if isinstance(answer, Notification)]
    for row in rows:
        if key is not None:
            # No request has this digest, so none is taken for a repetition of this one.
            row.request_id, row.body_digest = key, hashlib.sha256(str(row.pk).encode()).digest()
            row.canonical_digest = row.digest_form = None
    insert(rows)
    # From here on the new row alone holds what a sensitive template is rendered with.
    dead_letters.forget_secrets([row.replay_of for row in rows if row.sensitive and row.replay_of])
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

    A letter that is still on its way is recorded here: otherwise it would come to lie open,
    and somebody would send the notification a second time.
    """
    letters = DeadLetter.objects.filter(notification=original)
    if original.status == Status.FAILED and not letters.exists():
        dead_letters.record_failed([original.pk])
    return letters.exclude(state=LetterState.REPLAYED).select_for_update().first()


def _may_have_arrived(originals: Sequence[Notification]) -> set[UUID]:
    """Find those of which a copy may be with the person already.

    Calls whose outcome is unknown may have brought it; an acceptance did, where the notification
    was stopped before the acceptance was recorded. A second push replaces the first, and a provider
    that said later that it failed is believed.
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


def _asks_first() -> Problem:
    detail = (
        "Nobody knows whether this mail has arrived, so the person may get it twice. "
        "Repeat the call with may_have_arrived set to true to send it all the same."
    )
    return Problem(409, detail, code="may_have_arrived")


def _judged(
    original: Notification, *, known: Collection[UUID], now: datetime
) -> Notification | Problem:
    if original.status not in REPLAYABLE:
        return Problem(409, f"A notification that is {original.status} cannot be replayed.")
    if original.user_id not in known:
        return impossible("", "unknown_user", "The user no longer exists.")
    if original.redacted:
        detail = (
            "What this mail said has been redacted. Whoever needs it asks for a new one."
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
