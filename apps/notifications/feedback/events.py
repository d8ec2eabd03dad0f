"""What a provider, a mail server or an app can report about a message, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from apps.notifications.lifecycle.states import UNFINISHED, UNPROVEN, Status


class ReceiptEvent(StrEnum):
    """The events that a receipt can report."""

    ACCEPTED = "accepted"  # The provider has taken the mail.
    DEFERRED = "deferred"  # The other side asked for another try, which is no failure.
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    FAILED = "failed"
    DROPPED = "dropped"  # The provider did not try, because of a list or limit of its own.
    BOUNCED = "bounced"  # The address does not exist.
    SOFT_BOUNCED = "soft_bounced"  # It came back, and the address may still exist.
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"  # From all mail.
    GROUP_UNSUBSCRIBED = "group_unsubscribed"
    GROUP_RESUBSCRIBED = "group_resubscribed"
    UNKNOWN = "unknown"


E = ReceiptEvent

# The provider of what an app reports.
APP = "app"

# The status and the reason after each event. The other events appear only in the timeline.
ENDINGS: Mapping[ReceiptEvent, tuple[Status, str]] = {
    E.DELIVERED: (Status.DELIVERED, ""),
    E.FAILED: (Status.FAILED, "rejected"),
    E.DROPPED: (Status.FAILED, "dropped"),
    E.BOUNCED: (Status.BOUNCED, "hard_bounce"),
    E.SOFT_BOUNCED: (Status.BOUNCED, "soft_bounce"),
}
# The events after which the provider has the message, although no call is recorded.
TAKEN = frozenset({E.ACCEPTED, E.DEFERRED})
# The events that only a recipient can cause.
SEEN = frozenset(
    {E.OPENED, E.CLICKED, E.COMPLAINED, E.UNSUBSCRIBED, E.GROUP_UNSUBSCRIBED, E.GROUP_RESUBSCRIBED}
)
# The events that concern the address to which the message was sent.
ABOUT_ADDRESS = frozenset({E.BOUNCED, E.SOFT_BOUNCED, E.COMPLAINED})
# The statuses that only a provider call can lead to.
AFTER_A_CALL = frozenset({Status.SENDING, Status.SENT, Status.DELIVERED, Status.BOUNCED})


@dataclass(frozen=True, kw_only=True)
class ProviderEvent:
    """One event as it was reported.

    Attributes:
        provider: Who reports it.
        occurred_at: The provider's time of the event, UTC.
        detail: The provider's text about a failure.
        reason: The reason of the ending; empty for that of ``ENDINGS``.
        event_id: The provider's id of the event, if it has one.
        address_hash: The hash of the address that the report names, if it names one.
        device_id: The device that a push was sent to, if the provider reports it.
    """

    provider: str
    event: ReceiptEvent
    occurred_at: datetime
    detail: str = ""
    reason: str = ""
    event_id: str | None = None
    address_hash: str | None = None
    device_id: UUID | None = None


def destination(status: Status, reason: str, event: ProviderEvent) -> tuple[Status, str] | None:
    """Return the status and the reason after an event; None for an event that changes neither.

    An unfinished notification is not sent again afterwards, because the event reports a call that
    is not recorded yet. The same holds for one that ended without a proof that it was not taken.

    Args:
        status: The status before.
        reason: The reason before.
        event: The event.
    """
    if event.event in TAKEN:
        is_open = status in UNFINISHED or status is Status.EXPIRED
        if is_open or (status is Status.FAILED and reason in UNPROVEN):
            return Status.SENT, ""
        return None
    if event.event is E.OPENED and event.provider == APP:
        # A scanner may open a mail; an app that is open has got the push.
        return Status.DELIVERED, ""
    if event.event in SEEN:
        return (Status.DELIVERED, "") if status in UNFINISHED else None
    ending = ENDINGS.get(event.event)
    return None if ending is None else (ending[0], event.reason or ending[1])
