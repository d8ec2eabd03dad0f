"""Claim what is due of one endpoint, with a lease that ends by itself if the worker dies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from apps.common.ids import new_id
from apps.common.postgresql.one_of import OneOf
from apps.users import contacts
from apps.webhooks.models import Delivery, DeliveryState, Endpoint
from apps.webhooks.schedule import Health

LEASE = timedelta(seconds=60)
# Rows of an endpoint that is disabled or deleted end in steps of this size.
ENDED_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Claimed deliveries of one endpoint.

    Attributes:
        id: The claim, which is stored on the rows.
        endpoint: The endpoint as it is now; None if there is none that may be called.
        rows: The deliveries, the oldest due time first.
        external_ids: The external ids of the users that the rows are about.
        until: When the lease ends, UTC.
    """

    id: UUID
    endpoint: Endpoint | None
    rows: Sequence[Delivery]
    external_ids: dict[UUID, str]
    until: datetime


def claim(endpoint_id: UUID, *, limit: int) -> Claim:
    """Claim up to ``limit`` due deliveries of an endpoint; one if its breaker was open.

    Two workers never get the same row: each skips the rows that the other has locked.
    """
    now = timezone.now()
    endpoint = Endpoint.objects.filter(Endpoint.callable_at(now), pk=endpoint_id).first()
    nothing = Claim(id=new_id(), endpoint=endpoint, rows=(), external_ids={}, until=now)
    if endpoint is None:
        return nothing
    if health_of(endpoint).is_suspect:
        limit = 1
    claim_id, until = new_id(), now + LEASE
    with transaction.atomic():
        due = Delivery.objects.filter(endpoint_id=endpoint_id, wake_at__lte=now)
        rows = list(due.order_by("wake_at").select_for_update(skip_locked=True)[:limit])
        if not rows:
            return nothing
        held = Delivery.objects.filter(OneOf("pk", [row.pk for row in rows]))
        held.update(claim_id=claim_id, wake_at=until)
    users = {row.user_id for row in rows if row.user_id is not None}
    return Claim(
        id=claim_id,
        endpoint=endpoint,
        rows=rows,
        external_ids=contacts.external_ids_of_users(users, client=endpoint.client) if users else {},
        until=until,
    )


def health_of(endpoint: Endpoint) -> Health:
    """Return the state of the endpoint's breaker."""
    return Health(
        failures=endpoint.failures,
        failing_since=endpoint.failing_since,
        open_until=endpoint.open_until,
    )


def due_endpoints() -> list[UUID]:
    """Return the endpoints that may be called and have something due.

    One look into the index of due rows for each endpoint, however many rows wait.
    """
    now = timezone.now()
    due = Delivery.objects.filter(endpoint_id=OuterRef("pk"), wake_at__lte=now)
    endpoints = Endpoint.objects.filter(Endpoint.callable_at(now)).filter(Exists(due))
    return list(endpoints.values_list("pk", flat=True))


def next_due() -> datetime | None:
    """Return when the next delivery of an enabled endpoint is due, and its breaker lets it pass."""
    rows = Endpoint.objects.filter(enabled=True).annotate(due=_first_due())
    times = [
        max(due, open_until or due)
        for due, open_until in rows.filter(due__isnull=False).values_list("due", "open_until")
    ]
    return min(times, default=None)


def end_disabled() -> int:
    """End deliveries that wait for an endpoint that is disabled, in one step.

    Returns:
        The number of deliveries that ended; at most ``ENDED_AT_ONCE`` for each endpoint.
    """
    now = timezone.now()
    ended = 0
    waiting = Delivery.objects.filter(endpoint_id=OuterRef("pk"), wake_at__lte=now)
    disabled = Endpoint.objects.filter(Exists(waiting), enabled=False)
    for pk in disabled.values_list("pk", flat=True):
        due = Delivery.objects.filter(endpoint_id=pk, wake_at__lte=now)
        ids = list(due.order_by("wake_at").values_list("pk", flat=True)[:ENDED_AT_ONCE])
        ended += Delivery.objects.filter(OneOf("pk", ids), wake_at__lte=now).update(
            state=DeliveryState.FAILED, wake_at=None, claim_id=None
        )
    return ended


def oldest_due() -> datetime | None:
    """Return since when the oldest delivery that may be made now is due."""
    now = timezone.now()
    ready = Endpoint.objects.filter(Endpoint.callable_at(now)).annotate(due=_first_due())
    return min(ready.filter(due__lte=now).values_list("due", flat=True), default=None)


def _first_due() -> QuerySet[Delivery, datetime | None]:
    """Return the first due time of an endpoint, which is one look into the index."""
    waiting = Delivery.objects.filter(endpoint_id=OuterRef("pk"), wake_at__isnull=False)
    return waiting.order_by("wake_at").values_list("wake_at", flat=True)[:1]
