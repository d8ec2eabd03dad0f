"""The types of events, in one table: API, documents and checks read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NOTIFICATION = "notification."
# Subscribes to all events that client applications get.
ALL = "*"
# What happens with the installation. Only keys with the scope ``operations`` get these, and only if
# they name them.
OPERATIONS_NOTICE = "operations.notice"
# Sent on request alone, to try an endpoint.
TEST = "webhook.test"
BATCH_FINISHED = "batch.finished"
DEAD_LETTER_CREATED = "dead_letter.created"
ADDRESS_SUPPRESSED = "address.suppressed"
PREFERENCES_CHANGED = "preferences.changed"

_UUID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE_UUID = {"type": ["string", "null"], "format": "uuid"}

_NOTIFICATION_DATA: dict[str, Any] = {
    "notification_id": _UUID,
    "request_id": _MAYBE_TEXT,
    "correlation_id": _TEXT,
    "batch_id": _MAYBE_UUID,
    "user_id": _UUID,
    "external_id": _MAYBE_TEXT,
    "notification_type": {"type": "string", "enum": ["email", "push"]},
    "template_code": _TEXT,
    "status": _TEXT,
    "reason": _MAYBE_TEXT,
    "provider": _MAYBE_TEXT,
    "at": _TIME,
    "metadata": {"type": "object", "additionalProperties": True},
}


@dataclass(frozen=True, kw_only=True)
class EventType:
    """One type of event.

    Attributes:
        summary: When it is sent, in a sentence.
        properties: The JSON schemas of the fields of ``data``.
        for_operations: Whether only keys with the scope ``operations`` may subscribe to it.
    """

    summary: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    for_operations: bool = False


def _about_notifications(**summaries: str) -> dict[str, EventType]:
    return {
        f"{NOTIFICATION}{name}": EventType(summary=summary, properties=_NOTIFICATION_DATA)
        for name, summary in summaries.items()
    }


EVENT_TYPES: Mapping[str, EventType] = {
    **_about_notifications(
        accepted="A notification was accepted and stored.",
        sent="A provider has taken the notification.",
        delivered="A receipt says that the notification has arrived.",
        opened="A receipt says that the notification was opened.",
        bounced="The mail came back: the address does not exist.",
        failed="The notification failed and will not be tried again.",
        skipped="The notification was not sent: see `reason`.",
        expired="The time of the notification had passed before it could be sent.",
        cancelled="The notification was cancelled before it was sent.",
    ),
    ADDRESS_SUPPRESSED: EventType(
        summary="An address was put on the suppression list, and gets no more mail.",
        properties={
            "user_id": _MAYBE_UUID,
            "external_id": _MAYBE_TEXT,
            "address_hash": _TEXT,
            "reason": _TEXT,
            "source": _TEXT,
            "expires_at": {"type": ["string", "null"], "format": "date-time"},
            "at": _TIME,
        },
    ),
    PREFERENCES_CHANGED: EventType(
        summary="A user, or somebody for them, has changed what they want to get.",
        properties={
            "user_id": _UUID,
            "external_id": _MAYBE_TEXT,
            "preferences": {"type": "object", "additionalProperties": True},
            "at": _TIME,
        },
    ),
    BATCH_FINISHED: EventType(
        summary="All notifications of a batch have been made. They are sent meanwhile.",
        properties={
            "batch_id": _UUID,
            "accepted": {"type": "integer"},
            "duplicates": {"type": "integer"},
            "rejected": {"type": "integer"},
            "at": _TIME,
        },
    ),
    DEAD_LETTER_CREATED: EventType(
        summary="A notification failed, and waits as a dead letter to be replayed or discarded.",
        properties={"dead_letter_id": _UUID, **_NOTIFICATION_DATA},
    ),
    OPERATIONS_NOTICE: EventType(
        summary="Something needs an operator, or no longer does.",
        properties={
            "condition": _TEXT,
            "subject": _TEXT,
            "state": {"type": "string", "enum": ["raised", "over"]},
            "summary": _TEXT,
            "since": _TIME,
            "at": _TIME,
        },
        for_operations=True,
    ),
}


def matches(event: str, *, subscribed: frozenset[str]) -> bool:
    """Return whether an endpoint with these subscriptions gets an event."""
    if event in subscribed:
        return True
    known = EVENT_TYPES.get(event)
    return ALL in subscribed and known is not None and not known.for_operations
