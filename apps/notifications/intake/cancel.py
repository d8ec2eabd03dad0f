"""Cancel a notification that has not been sent."""

import structlog
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.notifications.lifecycle.states import Status
from apps.notifications.lifecycle.transitions import advance_with_event
from apps.notifications.models import Notification

log = structlog.get_logger(__name__)


def cancel(notification: Notification) -> Notification:
    """Cancel a notification that has not been sent. Cancelling it again changes nothing.

    Raises:
        Problem: 409 if it is being sent or has ended with another status.
    """
    moved = advance_with_event(
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
