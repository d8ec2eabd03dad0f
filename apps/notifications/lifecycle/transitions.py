"""The only module that writes a status.

Every transition writes an event, with two exceptions: the hot path transitions ``sending`` and
``sent``, which the attempt rows show, and ``delivered``, which the receipt rows show.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.db.models.sql import UpdateQuery

from apps.common.postgresql.json_insert import insert
from apps.notifications.lifecycle.states import FINISHED, Status, predecessors
from apps.notifications.models import Event, Notification
from apps.notifications.privacy.redaction import BLANK_RECIPIENT, VALUES_OF_CLIENTS

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
    **changes: Any,
) -> int:
    """Change the status of the rows for which the transition is allowed; others are unchanged.

    Args:
        rows: The notifications to change.
        to: The new status.
        now: The time of the transition, UTC.
        reason: The public reason of a final status.
        changes: Further columns to update in the same statement.

    Returns:
        The number of changed rows.
    """
    moving = rows.filter(status__in=predecessors(to))
    return moving.update(**_columns(to, now, reason, changes))


def advance_returning(
    rows: QuerySet[Notification], *, to: Status, now: datetime | Now, **changes: Any
) -> list[Notification]:
    """Change the status of the rows for which that is allowed, and return them after the update.

    The ORM has no UPDATE with RETURNING, so RETURNING is appended to its UPDATE statement. A
    separate read of the rows took a fifth of a worker's time for a message with one notification.
    """
    moving = rows.filter(status__in=predecessors(to))
    query: Any = moving.query.chain(UpdateQuery)
    query.add_update_values(_columns(to, now, "", changes))
    statement, values = query.get_compiler(using=moving.db).as_sql()
    columns = ", ".join(f'"{field.column}"' for field in Notification._meta.concrete_fields)
    moved = Notification.objects.using(moving.db).raw(f"{statement} RETURNING {columns}", values)
    return list(moved)


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
        only: A condition that a row must still meet, such as the claim that holds it.
        changes: Further columns to update in the same statement.

    Returns:
        The ids of the changed rows.
    """
    with transaction.atomic():
        rows = Notification.objects.filter(pk__in=ids, status__in=predecessors(to))
        if only is not None:
            rows = rows.filter(only)
        moving = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        if not moving:
            return []
        held = Notification.objects.filter(pk__in=moving)
        advance(held, to=to, now=now, reason=reason, **changes)
        insert([Event(notification_id=pk, at=now, status=to, detail=detail) for pk in moving])
    return moving
