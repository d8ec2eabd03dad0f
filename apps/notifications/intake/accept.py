"""Accept requests: validate them against users and templates, and store them idempotently."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.common.callers import Caller
from apps.common.rest.problems import Problem, impossible
from apps.notifications.broker import publisher
from apps.notifications.intake.digests import repeats
from apps.notifications.intake.draft import make_draft
from apps.notifications.intake.group_commit import GroupCommit
from apps.notifications.intake.requests import SendRequest
from apps.notifications.models import Notification
from apps.notifications.statistics.record import count_accepted, insert_accepted
from apps.templates import rendering
from apps.users import contacts

log = structlog.get_logger(__name__)

_singles = GroupCommit(insert_accepted)

# The maximum number of inserts of a row, if each time a conflicting row existed but was then gone.
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
        row_ids: An id for each request, fixed in advance so that a repetition changes nothing.
        asked_at: When the batch was requested, UTC; the current time if not given.
    """

    batch_id: UUID
    row_ids: Sequence[UUID] | None = None
    asked_at: datetime | None = None


IntakeResult = Accepted | Problem


def accept(request: SendRequest, *, caller: Caller) -> Accepted:
    """Accept one request.

    Raises:
        Problem: 400 or 422; nothing is stored or queued then.
    """
    answer = accept_all([request], caller=caller)[0]
    if isinstance(answer, Problem):
        raise answer
    return answer


def accept_version(request: SendRequest, *, version_id: UUID, caller: Caller) -> Accepted:
    """Accept one request with a version that need not be published: authors try drafts out.

    Raises:
        Problem: 400 or 422; nothing is stored or queued then.
    """
    version = rendering.pin_version(version_id)
    if version is None:
        raise impossible("/template_code", "unknown_template", "There is no such version.")
    now = timezone.now()
    locales = contacts.known_locales({request.user_id})
    row = make_draft(request, caller=caller, locales=locales, now=now, version=version)
    with transaction.atomic():
        insert_accepted([row])
    publisher.hand_over([row])
    log_accepted(row)
    return Accepted(notification=row, replayed=False)


def accept_all(
    requests: Sequence[SendRequest], *, caller: Caller, member: Membership | None = None
) -> list[IntakeResult]:
    """Accept requests in one transaction. Each is validated independently.

    Args:
        requests: The requests.
        caller: The API client.
        member: The batch that all of them belong to.

    Returns:
        One answer for each request, in the same order.
    """
    now = timezone.now()
    locales = contacts.known_locales({request.user_id for request in requests})
    drafts: list[Notification | Problem] = []
    for request in requests:
        try:
            drafts.append(make_draft(request, caller=caller, locales=locales, now=now))
        except Problem as problem:
            drafts.append(problem)
    if member is not None:
        _add_members(drafts, member)
    answers = _store(requests, drafts, caller=caller)
    fresh = [
        answer.notification
        for answer in answers
        if isinstance(answer, Accepted) and not answer.replayed
    ]
    publisher.hand_over(row for row in fresh if row.scheduled_for is None)
    if member is not None:
        log.info(
            "notifications accepted",
            batch_id=str(member.batch_id),
            client=caller.client,
            count=len(fresh),
        )
    else:
        for row in fresh:
            log_accepted(row)
    return answers


def log_accepted(row: Notification) -> None:
    """Log that a notification was accepted and stored."""
    log.info(
        "notification accepted",
        notification_id=str(row.pk),
        client=row.client,
        channel=row.channel,
        template_code=row.template_code,
        status=row.status,
    )


def _add_members(drafts: Sequence[Notification | Problem], member: Membership) -> None:
    """Assign rows to their batch."""
    for place, draft in enumerate(drafts):
        if isinstance(draft, Notification):
            draft.batch_id = member.batch_id
            draft.created_at = member.asked_at or draft.created_at
            if member.row_ids is not None:
                draft.pk = member.row_ids[place]


def _store(
    requests: Sequence[SendRequest], drafts: Sequence[Notification | Problem], *, caller: Caller
) -> list[IntakeResult]:
    """Store the rows and find which of them repeat an earlier request."""
    # Concurrent calls insert their keys in the same order; otherwise they could deadlock.
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
    """Insert the rows that do not exist yet, and return the rows that hold the keys.

    A conflicting row may be gone a moment later, because it was purged or its user was erased. An
    answer of 202 requires a row that was read, so rows that were not read are inserted again.

    Raises:
        Problem: 503 if that happens ``INSERTS_MAX`` times; nothing of this call is stored.
    """
    keys = {request.request_id for request in requests if request.request_id is not None}
    new = {row.pk: row for row in rows}
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
                kept = {row.pk for row in stored.values()}
                count_accepted(
                    row for row in new.values() if row.request_id is None or row.pk in kept
                )
                return stored
            rows = unseen
        # Raised inside the transaction, so that the other rows are rolled back too.
        detail = "The rows of these keys come and go. Please try again."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)


def _unseen(
    rows: Sequence[Notification], stored: dict[str | None, Notification]
) -> list[Notification]:
    """Return the rows for which neither the row nor an earlier one with its key was read."""
    keyless = [row.pk for row in rows if row.request_id is None]
    seen = set(Notification.objects.filter(pk__in=keyless).values_list("pk", flat=True))
    return [
        row
        for row in rows
        if (row.pk not in seen if row.request_id is None else row.request_id not in stored)
    ]


def _insert(rows: Sequence[Notification]) -> bool:
    """Insert rows that are expected to be new; return False, with none stored, if one exists."""
    keys = [row.request_id for row in rows if row.request_id is not None]
    if len(set(keys)) < len(keys):
        return False
    try:
        if transaction.get_connection().in_atomic_block:
            # Inside a transaction the insert needs a savepoint, so that only it is rolled back.
            with transaction.atomic():
                insert_accepted(rows)
        elif len(rows) == 1:
            _singles.put(rows[0])
        else:
            insert_accepted(rows)
    except IntegrityError:
        return False
    return True


def _settle(
    request: SendRequest, draft: Notification | Problem, stored: dict[str | None, Notification]
) -> IntakeResult:
    """Classify a request as new, as a repetition, or as a key reused for another request.

    A repeated request gets its first answer even if it would be refused now, for example because
    ``expires_at`` has passed. A malformed request has never been stored.
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
