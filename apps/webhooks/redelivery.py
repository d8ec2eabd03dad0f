"""Deliver again: one delivery, or those of a time window."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.common.ids import first_id_at
from apps.common.postgresql.one_of import OneOf
from apps.common.rest.problems import impossible
from apps.webhooks import waker
from apps.webhooks.endpoints import record_act, refuse_disabled
from apps.webhooks.models import Delivery, DeliveryState, Endpoint

STEP_ROWS = 1000
WINDOW_ROWS_MAX = 100_000
# What a window begins again.
ENDED = (DeliveryState.DELIVERED, DeliveryState.FAILED)


def redeliver(endpoint: Endpoint, delivery: Delivery, *, actor: str) -> Delivery:
    """Deliver one event again, with the same id and a new schedule.

    One that is pending is due at once.

    Args:
        endpoint: The endpoint.
        delivery: The delivery.
        actor: Who asked for it, as the audit trail names them.

    Raises:
        Problem: 409 if the endpoint is disabled.
    """
    refuse_disabled(endpoint)
    with transaction.atomic():
        _begin_again([delivery.pk], now=timezone.now())
        detail = f"event {delivery.event_id}"
        record_act(endpoint, actor=actor, action="redelivered", detail=detail)
        waker.wake([endpoint.pk])
    return Delivery.objects.get(pk=delivery.pk)


def redeliver_window(
    endpoint: Endpoint, *, since: datetime, until: datetime, state: str | None, actor: str
) -> int:
    """Deliver again what happened in a time window.

    Args:
        endpoint: The endpoint.
        since: The begin of the window, UTC.
        until: Its end, which is not part of it.
        state: Only deliveries in this state; None for all that have ended.
        actor: Who asked for it, as the audit trail names them.

    Returns:
        The number of deliveries.

    Raises:
        Problem: 409 if the endpoint is disabled, 422 if the window has too many deliveries.
    """
    refuse_disabled(endpoint)
    rows = _window(endpoint, since=since, until=until, state=state)
    ids = list(rows.values_list("pk", flat=True)[: WINDOW_ROWS_MAX + 1])
    if len(ids) > WINDOW_ROWS_MAX:
        detail = f"The window has more than {WINDOW_ROWS_MAX:,} deliveries. Choose a shorter one."
        raise impossible("/until", "window_too_large", detail)
    # Before the first step: what a process that dies leaves half done has its line as well.
    detail = f"{len(ids)}: {state or 'ended'}, {since.isoformat()} to {until.isoformat()}"
    record_act(endpoint, actor=actor, action="redelivered", detail=detail)
    now = timezone.now()
    for start in range(0, len(ids), STEP_ROWS):
        _begin_again(ids[start : start + STEP_ROWS], now=now)
    waker.wake([endpoint.pk])
    return len(ids)


def count_window(endpoint: Endpoint, *, since: datetime, until: datetime, state: str | None) -> int:
    """Count what ``redeliver_window`` would deliver again; one more than it may if too many."""
    rows = _window(endpoint, since=since, until=until, state=state)
    return rows[: WINDOW_ROWS_MAX + 1].count()


def _window(
    endpoint: Endpoint, *, since: datetime, until: datetime, state: str | None
) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        endpoint_id=endpoint.pk,
        pk__gte=first_id_at(since),
        pk__lt=first_id_at(until),
        state__in=[state] if state else ENDED,
    ).order_by("pk")


def _begin_again(ids: Sequence[UUID], *, now: datetime) -> None:
    # The claim of a worker that calls it now ends, so that its result does not end the new one.
    Delivery.objects.filter(OneOf("pk", ids)).update(
        state=DeliveryState.PENDING, wake_at=now, tries=0, claim_id=None
    )
