"""Whether a notification should still go out, judged at the moment of sending."""

from dataclasses import dataclass
from datetime import datetime

from apps.notifications.broker.topology import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.templates.rendering import TemplateFacts
from apps.users.contacts import Contact

USER_ERASED = "user_erased"

# Messages from this priority on pass quiet hours.
URGENT_PRIORITY = 7


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Why a notification does not go out now.

    Attributes:
        to: ``skipped``, ``expired`` or, for quiet hours, ``scheduled``.
        reason: The public reason of an ending.
        until: When to look again, for ``scheduled``.
        detail: The words for the timeline.
    """

    to: Status
    reason: str = ""
    until: datetime | None = None
    detail: str = ""


def skipped(reason: str, detail: str) -> Decision:
    """Make the decision of a notification that nobody should get."""
    return Decision(to=Status.SKIPPED, reason=reason, detail=detail)


def decide(  # noqa: PLR0911 - one return for each thing that can speak against it.
    notification: Notification, *, contact: Contact | None, facts: TemplateFacts, now: datetime
) -> Decision | None:
    """Find what speaks against sending; None when nothing does.

    Critical templates pass opt-outs and quiet hours, never suppression.
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
