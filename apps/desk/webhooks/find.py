"""Deliveries by their id, or by the id of their event, which has no index."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q

from apps.common.ids import first_id_at, time_of
from apps.webhooks.models import Delivery, Endpoint

UUID_OF_TIME = 7
# The rows of an event are made right after its id, so theirs are as old.
AFTER = timedelta(seconds=2)


def deliveries_by_id(identifier: UUID, *, most: int) -> list[Delivery]:
    """Return the delivery with an id, or those of the event with it, of webhooks that exist.

    Args:
        identifier: The id of a delivery, or a ``webhook-id``.
        most: How many of an event to return: it has one for each webhook that was told.
    """
    if identifier.version != UUID_OF_TIME:
        return []
    made = time_of(identifier)
    # The id of a delivery is in this stretch of ids as well.
    near = Delivery.objects.filter(
        pk__gte=first_id_at(made), pk__lt=first_id_at(made + AFTER)
    ).defer("data", "attempts")
    named = near.filter(Q(pk=identifier) | Q(event_id=identifier))
    found = list(named.order_by("pk")[:most])
    endpoints = {row.endpoint_id for row in found}
    there = set(
        Endpoint.objects.filter(pk__in=endpoints, deleted_at=None).values_list("pk", flat=True)
    )
    return [row for row in found if row.endpoint_id in there]
