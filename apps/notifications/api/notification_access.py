"""Which notifications a caller sees: someone else's are not there."""

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

    A key sees its client's of its own kind, with ``operations`` everything of that kind; staff with
    the permission see all; anyone else sees what was sent to them since they have shown that their
    address is theirs. The time bounds the ids, which are UUIDv7. Mails about accounts are for
    operators alone: to the others they would tell what an address has asked for.
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


def find(caller: Caller, notification_id: UUID) -> Notification:
    """Return one notification.

    Raises:
        Problem: 404 when it is not there for this caller.
    """
    row = visible_to(caller).filter(pk=notification_id).first()
    if row is None:
        raise Problem(404, "There is no such notification.")
    return row
