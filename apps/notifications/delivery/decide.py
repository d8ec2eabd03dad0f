"""Decide at send time whether a notification should still be sent."""

from dataclasses import dataclass
from datetime import datetime

from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.templates.rendering import TemplateFacts
from apps.users.contacts import Contact

USER_ERASED = "user_erased"

# Messages with at least this priority ignore quiet hours.
URGENT_PRIORITY = 7


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Why a notification is not sent now.

    Attributes:
        to: The next status, such as ``skipped``, ``expired`` or, for quiet hours, ``scheduled``.
        reason: The public reason of a final status.
        until: When to check again, for ``scheduled``.
        detail: The text for the timeline.
    """

    to: Status
    reason: str = ""
    until: datetime | None = None
    detail: str = ""


def skipped(reason: str, detail: str) -> Decision:
    """Build the decision to skip a notification."""
    return Decision(to=Status.SKIPPED, reason=reason, detail=detail)


def decide(  # noqa: PLR0911 - one return for each reason not to send.
    notification: Notification, *, contact: Contact | None, facts: TemplateFacts, now: datetime
) -> Decision | None:
    """Return the first reason not to send a notification now; None if there is none.

    Critical templates ignore opt-outs and quiet hours, but never suppression.
    """
    if notification.expires_at is not None and notification.expires_at <= now:
        return Decision(to=Status.EXPIRED, reason="expired", detail="expires_at has passed")
    if contact is None:
        return skipped(USER_ERASED, "the user no longer exists")
    if not facts.critical and not contact.allows(notification.channel, facts.category):
        return skipped("opted_out", f"the user does not want {notification.channel}")
    if notification.channel == Channel.EMAIL:
        if contact.email is None:
            return skipped("no_address", "the user has no confirmed address")
        if contact.suppressed:
            return skipped("suppressed", "the address is on the suppression list")
    elif not contact.devices:
        return skipped("no_device", "the user has no active device")
    if not facts.critical and notification.priority < URGENT_PRIORITY:
        quiet_until = contact.quiet_until(now)
        if quiet_until is not None:
            return Decision(to=Status.SCHEDULED, until=quiet_until, detail="quiet hours")
    return None
