"""What SendGrid's events mean. An unknown one is kept as such, and is never an error.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from apps.common.ids import as_uuid
from apps.notifications.feedback.consequences import COMPLAINED_BEFORE
from apps.notifications.feedback.event_batches import Named
from apps.notifications.feedback.events import ProviderEvent, ReceiptEvent
from apps.notifications.providers.base import provider_words
from apps.users import contacts

PROVIDER = "sendgrid"
EVENT_ID_MAX_LENGTH = 255

EVENTS: Mapping[str, ReceiptEvent] = {
    "processed": ReceiptEvent.ACCEPTED,
    "delivered": ReceiptEvent.DELIVERED,
    "deferred": ReceiptEvent.DEFERRED,
    "bounce": ReceiptEvent.BOUNCED,
    "blocked": ReceiptEvent.SOFT_BOUNCED,
    "dropped": ReceiptEvent.DROPPED,
    "open": ReceiptEvent.OPENED,
    "click": ReceiptEvent.CLICKED,
    "spamreport": ReceiptEvent.COMPLAINED,
    "unsubscribe": ReceiptEvent.UNSUBSCRIBED,
    "group_unsubscribe": ReceiptEvent.GROUP_UNSUBSCRIBED,
    "group_resubscribe": ReceiptEvent.GROUP_RESUBSCRIBED,
}
# The type of a bounce that says that the address does not exist. Of the others, such as
# ``blocked``, a later mail may arrive.
HARD_TYPES = frozenset({"", "bounce"})
# Why SendGrid drops a mail, in lower case, where that says more than that it was dropped.
DROPPED_BECAUSE: Mapping[str, tuple[ReceiptEvent, str]] = {
    "bounced address": (ReceiptEvent.BOUNCED, ""),
    "spam reporting address": (ReceiptEvent.DROPPED, COMPLAINED_BEFORE),
}


def read(given: Mapping[str, Any], *, now: datetime) -> Named:
    """Read one event. Our ``custom_args`` are keys of it.

    Args:
        given: The event as SendGrid sends it.
        now: The current time, UTC, for an event without a usable time.
    """
    event, reason = _meaning(given)
    address = _text(given, "email").strip()
    return Named(
        notification_id=as_uuid(_text(given, "notification_id")),
        event=ProviderEvent(
            provider=PROVIDER,
            event=event,
            occurred_at=_time(given.get("timestamp")) or now,
            detail=_detail(given, event, address),
            reason=reason,
            event_id=_event_id(given),
            address_hash=contacts.address_hash(address) if address else None,
        ),
    )


def _meaning(given: Mapping[str, Any]) -> tuple[ReceiptEvent, str]:
    event = EVENTS.get(_text(given, "event"), ReceiptEvent.UNKNOWN)
    if event is ReceiptEvent.BOUNCED and _text(given, "type") not in HARD_TYPES:
        return ReceiptEvent.SOFT_BOUNCED, ""
    if event is ReceiptEvent.DROPPED:
        return DROPPED_BECAUSE.get(_text(given, "reason").strip().lower(), (event, ""))
    return event, ""


def _detail(given: Mapping[str, Any], event: ReceiptEvent, address: str) -> str:
    """Return SendGrid's words. Those of opens and clicks are personal data, and are left out."""
    names = ("event",) if event is ReceiptEvent.UNKNOWN else ("status", "reason", "response")
    words = (_text(given, name) for name in names)
    return provider_words(" ".join(word for word in words if word), address)


def _event_id(given: Mapping[str, Any]) -> str:
    """Return SendGrid's id of an event; without one, a hash of the event."""
    known = _text(given, "sg_event_id")
    if known and len(known) <= EVENT_ID_MAX_LENGTH and known.isprintable():
        return known
    whole = json.dumps(given, sort_keys=True, default=str).encode("utf-8", "replace")
    return f"sha256:{hashlib.sha256(whole).hexdigest()}"


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    # A lone half of a pair of surrogates cannot be stored.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None
