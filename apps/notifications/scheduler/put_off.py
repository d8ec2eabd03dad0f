"""Postpone rows that the sweep cannot handle, count their failures, and fail them in the end."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.common.failure_isolation import (
    FAILURES_MAX,
    affects_all,
    isolate_failures,
    name_of,
    wait_after,
)
from apps.common.postgresql.json_insert import insert
from apps.notifications.broker import publisher
from apps.notifications.broker.publisher import Wakeup
from apps.notifications.lifecycle.states import UNFINISHED, Status
from apps.notifications.lifecycle.transitions import advance, advance_with_event
from apps.notifications.models import Event, Notification

log = structlog.get_logger(__name__)


# The failure reason of a notification for which no message can be published.
UNDELIVERABLE = "undeliverable"


# The prefix of the events of a row that could not be handled. The failures are counted by these
# events, so that no counter column is needed on every row.
PUT_OFF = "could not be handled"


def time_of(due: Sequence[Notification]) -> datetime:
    """Return the database's time at which the rows were read; the current time without rows."""
    if connection.vendor == "sqlite":
        return timezone.now()
    if due:
        read_at: datetime = getattr(due[0], "read_at")  # noqa: B009 - annotated above.
        return read_at
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        present: datetime = cursor.fetchone()[0]
    return present


def put_off(pk: UUID, error: str, *, now: datetime) -> list[UUID]:
    """Postpone a row that could not be handled, longer each time, and fail it in the end.

    Args:
        pk: The notification.
        error: A description of the error, without any value of the row.
        now: The time of the error, UTC.

    Returns:
        A list with its id if its status is now ``failed``, for the dead letter; else empty.
    """
    known = Event.objects.filter(notification_id=pk, detail__startswith=PUT_OFF)
    failures = known.count() + 1
    rows = Notification.objects.filter(pk=pk)
    status = rows.values_list("status", flat=True).first()
    if status is None:
        return []  # It was erased concurrently.
    log.error(
        "a due notification could not be handled",
        notification_id=str(pk),
        error=error,
        failures=failures,
        failures_max=FAILURES_MAX,
    )
    told = f"{PUT_OFF}: {error} ({failures} of {FAILURES_MAX})"
    if failures < FAILURES_MAX:
        rows.update(wake_at=now + wait_after(failures))
        insert([Event(notification_id=pk, at=now, status=status, detail=told)])
        return []
    if status == Status.SCHEDULED:
        advance(rows, to=Status.PENDING, now=now)
    if status in UNFINISHED and advance_with_event(
        [pk], to=Status.FAILED, now=now, reason=UNDELIVERABLE, detail=told, claim_id=None
    ):
        return [pk]
    # It has already ended, or its status is unknown: clear the wake so that the sweep ignores it.
    rows.update(wake_at=None)
    insert([Event(notification_id=pk, at=now, status=status, detail=f"{told}, given up")])
    return []


def put_off_all(refused: Sequence[tuple[Wakeup, str]]) -> None:
    """Postpone the rows for which no message could be encoded."""
    failed: list[UUID] = []
    for wakeup, error in refused:
        with transaction.atomic():
            failed += put_off(wakeup.notification_id, error, now=time_of([]))
    publish_failed(failed)


def publish_failed(ids: Sequence[UUID]) -> None:
    """Publish failed notifications as dead letters. A failure of one does not stop the others."""
    try:
        publisher.publish_failed(ids)
    except Exception as error:
        if affects_all(error):
            raise
        now = time_of([])

        def later(pk: UUID, error: Exception) -> None:
            put_off(pk, name_of(error), now=now)

        isolate_failures(ids, publisher.publish_failed, failed=later)
