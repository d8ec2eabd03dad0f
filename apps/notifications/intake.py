"""Accept requests: validate against users and templates, idempotent, one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.common.callers import Caller
from apps.common.correlation import current_id
from apps.common.inserting import insert
from apps.common.problems import FieldError, Problem, impossible, pointer_to
from apps.notifications import outbox
from apps.notifications.digests import PRESENT_FORM, body_digest, repeats, second_form
from apps.notifications.gathering import Gatherer
from apps.notifications.models import Notification
from apps.notifications.redaction import redacted
from apps.notifications.requests import SendRequest, normalised
from apps.notifications.states import Status
from apps.notifications.timeline import advance_telling
from apps.templates import rendering
from apps.users import contacts

log = structlog.get_logger(__name__)

_singles = Gatherer(insert)

# A row is inserted at most so often when each time another one is in its way and then gone.
INSERTS_MAX = 5


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The answer to one request.

    Attributes:
        notification: The row, as it was first stored.
        replayed: Whether an earlier request with the same key had stored it.
    """

    notification: Notification
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Membership:
    """The batch that requests belong to.

    Attributes:
        batch_id: The batch.
        row_ids: An id for each request, fixed beforehand so that asking again changes nothing.
        asked_at: When the batch was asked for, UTC; the present if not given.
    """

    batch_id: UUID
    row_ids: Sequence[UUID] | None = None
    asked_at: datetime | None = None


Answer = Accepted | Problem


def accept(request: SendRequest, *, caller: Caller) -> Accepted:
    """Accept one request.

    Raises:
        Problem: 400 or 422; nothing is stored or queued then.
    """
    answer = accept_all([request], caller=caller)[0]
    if isinstance(answer, Problem):
        raise answer
    return answer


def accept_all(
    requests: Sequence[SendRequest], *, caller: Caller, member: Membership | None = None
) -> list[Answer]:
    """Accept requests, each judged by itself, in one transaction; answers are in their order.

    Args:
        requests: What is asked for.
        caller: Who sends.
        member: The batch that all of them belong to.
    """
    now = timezone.now()
    locales = contacts.known_locales({request.user_id for request in requests})
    drafts: list[Notification | Problem] = []
    for request in requests:
        try:
            drafts.append(_draft(request, caller=caller, locales=locales, now=now))
        except Problem as problem:
            drafts.append(problem)
    if member is not None:
        _enroll(drafts, member)
    answers = _store(requests, drafts, caller=caller)
    fresh = [
        answer.notification
        for answer in answers
        if isinstance(answer, Accepted) and not answer.replayed
    ]
    outbox.hand_over(row for row in fresh if row.scheduled_for is None)
    if member is not None:
        log.info(
            "notifications accepted",
            batch_id=str(member.batch_id),
            client=caller.client,
            count=len(fresh),
        )
    else:
        for row in fresh:
            log.info(
                "notification accepted",
                notification_id=str(row.pk),
                client=row.client,
                channel=row.channel,
                template_code=row.template_code,
                status=row.status,
            )
    return answers


def _enroll(drafts: Sequence[Notification | Problem], member: Membership) -> None:
    """Make rows members of their batch."""
    for place, draft in enumerate(drafts):
        if isinstance(draft, Notification):
            draft.batch_id = member.batch_id
            draft.created_at = member.asked_at or draft.created_at
            if member.row_ids is not None:
                draft.pk = member.row_ids[place]


def cancel(notification: Notification) -> Notification:
    """Stop a notification that has not gone out; one that was cancelled stays so.

    Raises:
        Problem: 409 when it is being sent or has ended otherwise.
    """
    moved = advance_telling(
        [notification.pk],
        to=Status.CANCELLED,
        now=timezone.now(),
        detail="cancelled by the caller",
        reason="cancelled",
    )
    notification.refresh_from_db()
    if not moved and notification.status != Status.CANCELLED:
        raise Problem(409, f"A notification that is {notification.status} cannot be cancelled.")
    if moved:
        log.info("notification cancelled", notification_id=str(notification.pk))
    return notification


def _draft(
    request: SendRequest, *, caller: Caller, locales: dict[UUID, str], now: datetime
) -> Notification:
    """Judge a request and make its row.

    Raises:
        Problem: 400 or 422.
    """
    asked = normalised(request, now=now)
    _check_times(asked, now=now)
    locale = locales.get(asked.user_id)
    if locale is None:
        raise impossible("/user_id", "unknown_user", "There is no such user.")
    pinned = _pinned(asked, locale=locale)
    scheduled_for = asked.scheduled_for
    if scheduled_for is not None and scheduled_for <= now:
        scheduled_for = None
    row = Notification(
        client=caller.client or "",
        kind=caller.kind,
        request_id=asked.request_id,
        body_digest=second_form(request),
        canonical_digest=body_digest(request),
        digest_form=PRESENT_FORM,
        correlation_id=current_id(),
        channel=asked.notification_type,
        user_id=asked.user_id,
        template_code=pinned.code,
        template_version=pinned.number,
        template_version_id=pinned.version_id,
        language=pinned.language,
        variables=redacted(asked.variables) if pinned.sensitive else asked.variables,
        sensitive=pinned.sensitive,
        secret_variables=asked.variables if pinned.sensitive else None,
        metadata=asked.metadata,
        priority=asked.priority,
        scheduled_for=scheduled_for,
        expires_at=asked.expires_at,
        next_attempt_at=scheduled_for,
        wake_at=scheduled_for or outbox.first_wake(now),
        created_at=now,
        updated_at=now,
    )
    row.status = row.first_status
    return row


def check_terms(request: SendRequest) -> None:
    """Judge what a request says, whoever it is for.

    Raises:
        Problem: 400 or 422.
    """
    now = timezone.now()
    asked = normalised(request, now=now)
    _check_times(asked, now=now)
    _pinned(asked, locale=None)


def _pinned(asked: SendRequest, *, locale: str | None) -> rendering.PinnedTemplate:
    """Choose the version that the notification will say.

    Raises:
        Problem: 422 when there is none, it is for another channel, or variables are missing.
    """
    try:
        pinned = rendering.pin(asked.template_code, language=asked.language, locale=locale)
    except rendering.UnknownTemplate:
        raise impossible(
            "/template_code", "unknown_template", "There is no such template."
        ) from None
    if pinned.channel != asked.notification_type:
        detail = f"The template is for {pinned.channel}, not {asked.notification_type}."
        raise impossible("/notification_type", "type_mismatch", detail)
    _check_variables(asked, pinned)
    return pinned


def _check_times(asked: SendRequest, *, now: datetime) -> None:
    if asked.expires_at is None:
        return
    if asked.expires_at <= now:
        raise impossible("/expires_at", "already_expired", "This time has passed.")
    if asked.scheduled_for is not None and asked.expires_at <= asked.scheduled_for:
        raise impossible(
            "/expires_at", "expires_before_schedule", "It would expire before it is due."
        )


def _check_variables(asked: SendRequest, pinned: rendering.PinnedTemplate) -> None:
    missing = rendering.missing_variables(pinned, asked.variables)
    if missing:
        raise Problem(
            422,
            f"The template needs variables that are not given: {', '.join(missing)}.",
            code="missing_variables",
            errors=[
                FieldError(
                    pointer=pointer_to("variables", *name.split(".")),
                    code="required",
                    detail="The template needs this variable.",
                )
                for name in missing
            ],
        )


def _store(
    requests: Sequence[SendRequest], drafts: Sequence[Notification | Problem], *, caller: Caller
) -> list[Answer]:
    """Store the rows and settle which of them repeat an earlier request."""
    # Calls that meet store their keys in one order: in two, PostgreSQL would end one as a deadlock.
    rows = sorted(
        (draft for draft in drafts if isinstance(draft, Notification)),
        key=lambda row: row.request_id or "",
    )
    refused_with_key = any(
        isinstance(draft, Problem) and request.request_id is not None
        for request, draft in zip(requests, drafts, strict=True)
    )
    if not refused_with_key and _insert(rows):
        return [
            Accepted(notification=draft, replayed=False)
            if isinstance(draft, Notification)
            else draft
            for draft in drafts
        ]
    stored = _stored(requests, rows, caller=caller)
    return [
        _settle(request, draft, stored) for request, draft in zip(requests, drafts, strict=True)
    ]


def _stored(
    requests: Sequence[SendRequest], rows: Sequence[Notification], *, caller: Caller
) -> dict[str | None, Notification]:
    """Insert what is not there yet, and return the rows that hold the keys as they were seen.

    A row that stood in the way may be gone a moment later: it left by its age, or its user was
    erased. Whoever is answered 202 has a row that was seen, so the others are inserted again.

    Raises:
        Problem: 503 when that happens time and again; nothing of this try is stored.
    """
    keys = {request.request_id for request in requests if request.request_id is not None}
    with transaction.atomic():
        for _ in range(INSERTS_MAX):
            Notification.objects.bulk_create(rows, ignore_conflicts=True)
            stored = {
                row.request_id: row
                for row in Notification.objects.filter(
                    client=caller.client, kind=caller.kind, request_id__in=keys
                )
            }
            unseen = _unseen(rows, stored)
            if not unseen:
                return stored
            rows = unseen
        # Raised inside, so that nothing stays of the other rows either.
        detail = "The rows of these keys come and go. Please try again."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)


def _unseen(
    rows: Sequence[Notification], stored: dict[str | None, Notification]
) -> list[Notification]:
    """Return the rows of which neither they nor an earlier one with their key was seen."""
    keyless = [row.pk for row in rows if row.request_id is None]
    seen = set(Notification.objects.filter(pk__in=keyless).values_list("pk", flat=True))
    return [
        row
        for row in rows
        if (row.pk not in seen if row.request_id is None else row.request_id not in stored)
    ]


def _insert(rows: Sequence[Notification]) -> bool:
    """Insert rows of which none is expected to exist; False when one does, and none is stored."""
    keys = [row.request_id for row in rows if row.request_id is not None]
    if len(set(keys)) < len(keys):
        return False
    try:
        if transaction.get_connection().in_atomic_block:
            # Within a transaction a statement needs a savepoint to fail alone.
            with transaction.atomic():
                insert(rows)
        elif len(rows) == 1:
            _singles.put(rows[0])
        else:
            insert(rows)
    except IntegrityError:
        return False
    return True


def _settle(
    request: SendRequest, draft: Notification | Problem, stored: dict[str | None, Notification]
) -> Answer:
    """Tell a fresh row from a repeated request, and that from a key used for something else.

    A repeated request gets its first answer even where it would be refused today, for instance
    because ``expires_at`` has passed since. What is malformed has never been stored.
    """
    if isinstance(draft, Problem) and draft.status_code == HTTPStatus.BAD_REQUEST:
        return draft
    first = stored.get(request.request_id) if request.request_id is not None else None
    if first is None:
        if isinstance(draft, Problem):
            return draft
        return Accepted(notification=draft, replayed=False)
    if isinstance(draft, Notification) and first.pk == draft.pk:
        return Accepted(notification=draft, replayed=False)
    if not repeats(first, request):
        return impossible(
            "/request_id",
            "idempotency_key_reused",
            "This idempotency key was used for a request with another body.",
        )
    return Accepted(notification=first, replayed=True)
