"""Make the deliveries of events. They are stored in the transaction of what they tell."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.common.ids import new_id
from apps.common.postgresql.json_insert import insert
from apps.webhooks import subscriptions, waker
from apps.webhooks.models import Delivery

# A body is smaller than 20 kB (Standard Webhooks 1.0.0), and all other fields have short limits.
METADATA_BYTES_MAX = 15_000


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        client: The client that it concerns; empty for all clients.
        kind: The kind of key that it concerns.
        type: One of ``event_types.EVENT_TYPES``.
        at: When it happened, UTC.
        data: The ``data`` of the body, without ``external_id``, which is read when it is sent.
        user_id: The user that it is about.
        notification_id: The notification that it is about.
    """

    client: str
    kind: str
    type: str
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)
    user_id: UUID | None = None
    notification_id: UUID | None = None


def deliveries_of(events: Iterable[Event]) -> list[Delivery]:
    """Return the rows of the endpoints that get the events. The caller inserts them.

    After that, the caller passes them to ``wake``.
    """
    return [
        delivery_of(event, endpoint_id, event_id=event_id)
        for event in events
        for event_id in [new_id()]
        for endpoint_id in _endpoints_of(event)
    ]


def delivery_of(event: Event, endpoint_id: UUID, *, event_id: UUID) -> Delivery:
    """Return the row of one endpoint, due now."""
    return Delivery(
        endpoint_id=endpoint_id,
        event_id=event_id,
        event=event.type,
        notification_id=event.notification_id,
        user_id=event.user_id,
        data=event.data,
        occurred_at=event.at,
        wake_at=event.at,
    )


def store(events: Sequence[Event]) -> None:
    """Insert the deliveries of events with one statement, in the caller's transaction."""
    rows = deliveries_of(events)
    insert(rows)
    wake(rows)


def wake(rows: Iterable[Delivery]) -> None:
    """Wake the workers for deliveries that were inserted, when their transaction commits."""
    waker.wake({row.endpoint_id for row in rows})


def _endpoints_of(event: Event) -> Iterable[UUID]:
    if event.client:
        return subscriptions.of(event.client, event.kind, event.type)
    return (pk for _, pk in subscriptions.of_all_clients(event.kind, event.type))


def bounded_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata for a body, or none where it would make the body too large."""
    if metadata and len(json.dumps(metadata)) > METADATA_BYTES_MAX:
        return {}
    return metadata
