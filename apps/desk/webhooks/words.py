"""Events and attempts of webhooks in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from apps.desk.templatetags.desk import duration
from apps.webhooks import event_types
from apps.webhooks.event_types import EVENT_TYPES
from apps.webhooks.meanings import ERRORS, explained
from apps.webhooks.models import Delivery, DeliveryState, Endpoint
from apps.webhooks.schedule import TRIES_MAX, CallError

# What each type tells of, short enough for a list.
EVENTS: Mapping[str, str] = {
    "notification.accepted": "message accepted",
    "notification.sent": "message sent",
    "notification.delivered": "message delivered",
    "notification.opened": "message opened",
    "notification.bounced": "message came back",
    "notification.failed": "message failed",
    "notification.skipped": "message not sent",
    "notification.expired": "message too late",
    "notification.cancelled": "message cancelled",
    event_types.DEAD_LETTER_CREATED: "new dead letter",
    event_types.BATCH_FINISHED: "batch made",
    event_types.ADDRESS_SUPPRESSED: "address suppressed",
    event_types.PREFERENCES_CHANGED: "preferences changed",
    event_types.OPERATIONS_NOTICE: "notice for operators",
    event_types.TEST: "test event",
}
# The events that a list names; the page of the webhook names all.
NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One call in words.

    Attributes:
        number: Its place among all that the log has.
        at: When it began.
        said: The status and how long it took, or that there was no answer.
        meaning: What that means, as a sentence.
        advice: What to do about it; empty if nothing.
        look: ``good`` or ``bad``.
        answer: The beginning of the answer, at most 1 kB of text.
    """

    number: int
    at: datetime
    said: str
    meaning: str
    advice: str
    look: str
    answer: str


def host_of(endpoint: Endpoint) -> str:
    """Return the host of an endpoint's URL. The rest of it may contain a secret of its owner."""
    return urlsplit(endpoint.url).netloc


def event_words(event: str) -> str:
    """Return what a type of event tells of; a type of another release as it is."""
    return EVENTS.get(event, event)


def events_in_short(events: Sequence[str]) -> str:
    """Return what an endpoint gets, short enough for a list."""
    if event_types.ALL in events:
        return "everything"
    words = [event_words(event) for event in events]
    if len(words) <= NAMED + 1:
        return ", ".join(words)
    return f"{', '.join(words[:NAMED])} and {len(words) - NAMED} more"


def events_in_full(events: Iterable[str]) -> list[tuple[str, str]]:
    """Return each type that an endpoint gets: in short, and as a sentence."""
    asked = set(events)
    names = [
        name
        for name, known in EVENT_TYPES.items()
        if name in asked or (event_types.ALL in asked and not known.for_operations)
    ]
    return [(event_words(name), EVENT_TYPES[name].summary) for name in names]


def attempts_of(delivery: Delivery) -> list[Attempt]:
    """Return the attempts of a delivery, newest first."""
    stored = list(enumerate(delivery.attempts, 1))
    return [_attempt(number, one) for number, one in reversed(stored)]


def _attempt(number: int, stored: Mapping[str, Any]) -> Attempt:
    status_code, error = stored["status_code"], stored["error"]
    meaning = explained(status_code=status_code, error=error)
    spent = duration(stored["duration_ms"])
    taken = status_code is not None and (HTTPStatus.OK <= status_code < HTTPStatus.MULTIPLE_CHOICES)
    return Attempt(
        number=number,
        at=datetime.fromisoformat(stored["at"]),
        said=f"{status_code} after {spent}" if status_code else f"no answer after {spent}",
        meaning=meaning.sentence,
        advice=meaning.advice,
        look="good" if taken else "bad",
        answer=stored["response_excerpt"],
    )


def ending(delivery: Delivery) -> str:
    """Return what became of a delivery, in one sentence."""
    if delivery.state == DeliveryState.DELIVERED:
        return "The webhook took the event."
    if delivery.state == DeliveryState.PENDING:
        return _waiting(delivery)
    last = delivery.attempts[-1] if delivery.attempts else {}
    if delivery.tries >= TRIES_MAX:
        return f"{_times(delivery.tries)} failed, and it is not tried again."
    if last.get("status_code") == HTTPStatus.GONE:
        return explained(status_code=HTTPStatus.GONE, error=None).sentence
    return ERRORS[CallError.ENDPOINT_DISABLED].sentence


def _waiting(delivery: Delivery) -> str:
    if delivery.claim_id is not None:
        return "It is being sent now."
    if not delivery.tries:
        return "It waits to be sent."
    return f"{_times(delivery.tries)} failed; it is tried again by itself."


def _times(tries: int) -> str:
    return "One attempt" if tries == 1 else f"{tries} attempts"
