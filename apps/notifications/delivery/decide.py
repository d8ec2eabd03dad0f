"""Decide at send time whether a notification should still be sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from apps.common.channels import Channel
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.templates.rendering import TemplateFacts
from apps.users.contacts import Contact

USER_ERASED = "user_erased"

# Messages with at least this priority ignore quiet hours.
URGENT_PRIORITY = 7


class Rule(StrEnum):
    """What is judged before a notification is sent, in this order."""

    EXPIRY = "expiry"
    ERASED = "erased"
    PREFERENCES = "preferences"
    ADDRESS = "address"
    SUPPRESSION = "suppression"
    DEVICE = "device"
    QUIET_HOURS = "quiet_hours"


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


def decide(
    notification: Notification, *, contact: Contact | None, facts: TemplateFacts, now: datetime
) -> Decision | None:
    """Return the first reason not to send a notification now; None if there is none."""
    judged = verdicts(notification, contact=contact, facts=facts, now=now)
    return next((decision for _, decision in judged if decision is not None), None)


def verdicts(
    notification: Notification, *, contact: Contact | None, facts: TemplateFacts, now: datetime
) -> Iterator[tuple[Rule, Decision | None]]:
    """Yield each rule with its decision not to send now, in the order in which they count.

    Critical templates ignore opt-outs and quiet hours, but never suppression. Rules that need what
    is missing, such as a user, are left out.
    """
    expires_at = notification.expires_at
    late = Decision(to=Status.EXPIRED, reason="expired", detail="expires_at has passed")
    yield Rule.EXPIRY, late if expires_at is not None and expires_at <= now else None
    if contact is None:
        yield Rule.ERASED, skipped(USER_ERASED, "the user no longer exists")
        return
    yield Rule.ERASED, None
    wanted = facts.critical or contact.allows(notification.channel, facts.category)
    unwanted = f"the user does not want {notification.channel}"
    yield Rule.PREFERENCES, None if wanted else skipped("opted_out", unwanted)
    if notification.channel == Channel.EMAIL:
        yield from _of_address(contact)
    else:
        none = skipped("no_device", "the user has no active device")
        yield Rule.DEVICE, None if contact.devices else none
    quiet_until = None
    if not facts.critical and notification.priority < URGENT_PRIORITY:
        quiet_until = contact.quiet_until(now)
    quiet = Decision(to=Status.SCHEDULED, until=quiet_until, detail="quiet hours")
    yield Rule.QUIET_HOURS, quiet if quiet_until is not None else None


def _of_address(contact: Contact) -> Iterator[tuple[Rule, Decision | None]]:
    if contact.email is None:
        yield Rule.ADDRESS, skipped("no_address", "the user has no confirmed address")
        return
    yield Rule.ADDRESS, None
    listed = skipped("suppressed", "the address is on the suppression list")
    yield Rule.SUPPRESSION, listed if contact.suppressed else None
