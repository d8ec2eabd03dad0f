"""The only module that writes a status.

Every transition writes an event, with two exceptions: the hot path transitions ``sending`` and
``sent``, which the attempt rows show, and ``delivered``, which the receipt rows show. Every ending
is counted for the statistics, and told to webhooks, in the same transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.db.models.sql import UpdateQuery

from apps.common.postgresql.json_insert import insert
from apps.common.postgresql.one_of import OneOf
from apps.notifications.lifecycle import announce
from apps.notifications.lifecycle.states import FINISHED, Status, predecessors
from apps.notifications.models import Event, Notification
from apps.notifications.privacy.redaction import BLANK_RECIPIENT, VALUES_OF_CLIENTS
from apps.notifications.statistics import counters
from apps.notifications.statistics import record as statistics

# The sweep checks a failed row after this time, unless its dead letter has been recorded by then.
DEAD_LETTER_GRACE = timedelta(seconds=60)


def resting_fields(to: Status, now: datetime | Now) -> dict[str, Any]:
    """Return the columns to clear on a finished notification: wake, due time, lease, secrets.

    A failed notification keeps the values of a sensitive template, because its dead letter may be
    replayed. An account mail is never replayed and keeps nothing.
    """
    if to not in FINISHED:
        return {}
    return {
        "secret_variables": VALUES_OF_CLIENTS if to is Status.FAILED else None,
        "recipient": BLANK_RECIPIENT,
        "wake_at": now + DEAD_LETTER_GRACE if to is Status.FAILED else None,
        "wakes": 0,
        "next_attempt_at": None,
        "claimed_until": None,
    }


def advance(
    rows: QuerySet[Notification],
    *,
    to: Status,
    now: datetime,
    reason: str = "",
    provider: str | Mapping[UUID, str] = "",
    **changes: Any,
) -> int:
    """Change the status of the rows for which the transition is allowed; others are unchanged.

    Args:
        rows: The notifications to change.
        to: The new status.
        now: The time of the transition, UTC.
        reason: The public reason of a final status.
        provider: Who took or refused them, for all or by notification, to tell webhooks.
        changes: Further columns to update in the same statement.

    Returns:
        The number of changed rows.
    """
    moving = rows.filter(status__in=predecessors(to))
    if to not in FINISHED:
        return moving.update(**_columns(to, now, reason, changes))
    with transaction.atomic(savepoint=False):
        return len(
            _moved(moving, to=to, now=now, reason=reason, provider=provider, changes=changes)
        )


def advance_sending(
    sending: Sequence[Notification],
    *,
    claim_id: UUID,
    to: Status,
    now: datetime,
    provider: str | Mapping[UUID, str] = "",
    **changes: Any,
) -> int:
    """End rows that a claim holds and has read, without reading them again, and end the claim.

    Args:
        sending: The rows, as the claim returned them.
        claim_id: The claim; rows that it has lost are unchanged.
        to: The new status.
        now: The time of the transition, UTC.
        provider: As for ``advance``.
        changes: Further columns to update in the same statement.

    Returns:
        The number of changed rows.
    """
    held = Notification.objects.filter(
        OneOf("pk", [row.pk for row in sending]), claim_id=claim_id, status=Status.SENDING
    )
    with transaction.atomic(savepoint=False):
        columns = _columns(to, now, "", {"claim_id": None, **changes})
        moved = _updated(held, columns)
        ended = [row for row in sending if row.pk in moved]
        _count_and_tell(ended, to=to, reason="", now=now, provider=provider)
    return len(ended)


def advance_returning(
    rows: QuerySet[Notification], *, to: Status, now: datetime | Now, **changes: Any
) -> list[Notification]:
    """Change the status of the rows for which that is allowed, and return them after the update.

    The ORM has no UPDATE with RETURNING, so RETURNING is appended to its UPDATE statement. A
    separate read of the rows took a fifth of a worker's time for a message with one notification.
    """
    moving = rows.filter(status__in=predecessors(to))
    columns = [str(field.column) for field in Notification._meta.concrete_fields]
    statement, given = _update(moving, _columns(to, now, "", changes), returning=columns)
    return list(Notification.objects.using(rows.db).raw(statement, given))


def _updated(rows: QuerySet[Notification], values: dict[str, Any]) -> set[UUID]:
    """Update rows and return their ids."""
    with connections[rows.db].cursor() as cursor:
        cursor.execute(*_update(rows, values, returning=["id"]))
        return {pk if isinstance(pk, UUID) else UUID(pk) for (pk,) in cursor.fetchall()}


def _update(
    rows: QuerySet[Notification], values: dict[str, Any], *, returning: Sequence[str]
) -> tuple[str, Sequence[Any]]:
    """Return the statement that updates rows and returns some of their columns."""
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(values)
    statement, given = query.get_compiler(using=rows.db).as_sql()
    columns = ", ".join(f'"{column}"' for column in returning)
    return f"{statement} RETURNING {columns}", given


def _columns(
    to: Status, now: datetime | Now, reason: str, changes: dict[str, Any]
) -> dict[str, Any]:
    """Return the columns that a transition writes."""
    moved = {"status": to, "reason": reason, "updated_at": now}
    return {**moved, **resting_fields(to, now), **changes}


def advance_with_event(
    ids: Collection[UUID],
    *,
    to: Status,
    now: datetime,
    detail: str,
    reason: str = "",
    provider: str | Mapping[UUID, str] = "",
    only: Q | None = None,
    **changes: Any,
) -> list[UUID]:
    """Change the status of rows and write an event for each changed row.

    Args:
        ids: The notifications.
        to: The new status.
        now: The time of the transition, UTC.
        detail: The text of the event.
        reason: The public reason of a final status.
        provider: As for ``advance``.
        only: A condition that a row must still meet, such as the claim that holds it.
        changes: Further columns to update in the same statement.

    Returns:
        The ids of the changed rows.
    """
    with transaction.atomic():
        rows = Notification.objects.filter(OneOf("pk", ids), status__in=predecessors(to))
        if only is not None:
            rows = rows.filter(only)
        moved = _moved(rows, to=to, now=now, reason=reason, provider=provider, changes=changes)
        insert([Event(notification_id=pk, at=now, status=to, detail=detail) for pk in moved])
    return moved


def _moved(
    rows: QuerySet[Notification],
    *,
    to: Status,
    now: datetime,
    reason: str,
    provider: str | Mapping[UUID, str],
    changes: dict[str, Any],
) -> list[UUID]:
    """Lock rows, change their status, count and tell of those that end, and return the ids."""
    locked = rows.order_by("pk").select_for_update()
    moving = list(locked.only("pk", *statistics.ENDING_COLUMNS, *announce.columns()))
    if not moving:
        return []
    held = Notification.objects.filter(OneOf("pk", [row.pk for row in moving]))
    held.update(**_columns(to, now, reason, changes))
    if to in FINISHED:
        _count_and_tell(moving, to=to, reason=reason, now=now, provider=provider)
    elif to is Status.RETRYING:
        statistics.count(moving, counters.RETRIES, now=now)
    return [row.pk for row in moving]


def _count_and_tell(
    rows: Sequence[Notification],
    *,
    to: Status,
    reason: str,
    now: datetime,
    provider: str | Mapping[UUID, str],
) -> None:
    """Count endings and tell webhooks of them, with one statement."""
    with statistics.together():
        statistics.count_ended(rows, to=to, reason=reason, now=now)
        statistics.tell(announce.ended(rows, to=to, reason=reason, now=now, provider=provider))
