"""Which webhooks were told of a message.

Deliveries have no index of the message, which would cost each of them a write. But their ids have
the time at which they were made, and that is when something happened to the message. So the index
of each endpoint is read around the times of the message's timeline, and nowhere else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from apps.common.ids import first_id_at
from apps.desk.webhooks import words
from apps.notifications.models import DeadLetter, Notification
from apps.webhooks.models import Delivery, Endpoint

# A delivery is made in the transaction of what it tells, so its id is a little younger.
BEFORE, AFTER = timedelta(seconds=1), timedelta(seconds=2)
# At 1,000 events a second this reads at most 15,000 entries of an index for each endpoint.
LOOKED_FOR = timedelta(seconds=15)


@dataclass(frozen=True, kw_only=True)
class Told:
    """One webhook that was told of one event: the host of its URL, and the event in words."""

    delivery: Delivery
    host: str
    event: str


def of_message(row: Notification, times: Iterable[datetime]) -> list[Told] | None:
    """Return who was told of a message, oldest first; None if its client has no webhook.

    Args:
        row: The message.
        times: When something happened to it.
    """
    # What is sent about an account is told to nobody.
    if row.recipient is not None:
        return None
    owned = Endpoint.objects.filter(client=row.client, kind=row.kind, deleted_at=None)
    endpoints = {endpoint.pk: endpoint for endpoint in owned}
    if not endpoints:
        return None
    letters = DeadLetter.objects.filter(notification=row).values_list("recorded_at", flat=True)
    near = Q()
    for begin, end in windows([row.created_at, row.updated_at, *times, *letters]):
        near |= Q(pk__gte=first_id_at(begin), pk__lt=first_id_at(end))
    rows = Delivery.objects.filter(near, endpoint_id__in=endpoints, notification_id=row.pk)
    return [
        Told(
            delivery=delivery,
            host=words.host_of(endpoints[delivery.endpoint_id]),
            event=words.event_words(delivery.event),
        )
        for delivery in rows.defer("data", "attempts").order_by("pk")
    ]


def windows(times: Iterable[datetime]) -> Sequence[tuple[datetime, datetime]]:
    """Return the stretches of time around some times, oldest first, ``LOOKED_FOR`` in all."""
    found: list[tuple[datetime, datetime]] = []
    for at in sorted(times):
        begin, end = at - BEFORE, at + AFTER
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    kept: list[tuple[datetime, datetime]] = []
    left = LOOKED_FOR
    for begin, end in found:
        if left <= timedelta(0):
            break
        kept.append((begin, min(end, begin + left)))
        left -= end - begin
    return kept
