"""The notifications that a caller may see. Others do not exist for this caller."""

from uuid import UUID

from django.db.models import QuerySet

from apps.common.callers import Caller
from apps.common.ids import first_id_at
from apps.common.rest.problems import Problem
from apps.notifications.models import Notification
from apps.notifications.models.notification import VISIBLE_TO_CLIENTS

VIEW_PERMISSION = "notifications.view_notification"


def visible_to(caller: Caller) -> QuerySet[Notification]:
    """Return the notifications that a caller may see.

    An API key sees its client's notifications of its own kind, and with the scope ``operations``
    all of that kind. Staff with the permission see all. Other users see the notifications that were
    sent to them since they confirmed their address; the time limits the ids, which are UUIDv7. Only
    operators see account mails, because these would show others what was requested for an address.
    """
    rows = Notification.objects.all()
    if caller.is_key:
        rows = rows.filter(kind=caller.kind)
        if caller.sees_all_clients:
            return rows
        return rows.filter(VISIBLE_TO_CLIENTS, client=caller.client)
    if caller.is_staff and VIEW_PERMISSION in caller.permissions:
        return rows
    if caller.user_id is None or caller.reads_from is None:
        return rows.none()
    mine = rows.filter(VISIBLE_TO_CLIENTS, user_id=caller.user_id)
    return mine.filter(pk__gte=first_id_at(caller.reads_from))


def indexed_for(caller: Caller) -> QuerySet[Notification]:
    """Return the rows that the index of the caller's list has, a superset of ``visible_to``.

    Without a condition on further columns PostgreSQL counts in the index and reads no row.
    """
    if caller.is_key and not caller.sees_all_clients:
        return Notification.objects.filter(client=caller.client, kind=caller.kind)
    return visible_to(caller)


def find(caller: Caller, notification_id: UUID) -> Notification:
    """Return one notification.

    Raises:
        Problem: 404 if it does not exist for this caller.
    """
    row = visible_to(caller).filter(pk=notification_id).first()
    if row is None:
        raise Problem(404, "There is no such notification.")
    return row
