"""Endpoints, events and deliveries that the tests share."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.common.callers import Caller, Kind, Scope
from apps.webhooks import endpoints, outbox, subscriptions
from apps.webhooks.endpoints import NewEndpoint
from apps.webhooks.models import Delivery, Endpoint
from apps.webhooks.outbox import Event
from tests.fakes.webhook_receiver import WebhookReceiver

WAIT_SECONDS = 30.0


def endpoint_of(
    receiver: WebhookReceiver,
    *,
    events: Sequence[str] = ("*",),
    client: str = "shop",
    kind: Kind = Kind.LIVE,
    **columns: Any,
) -> Endpoint:
    """Register an endpoint; the receiver learns its secret."""
    caller = Caller(client=client, kind=kind, scopes=frozenset(Scope))
    new = NewEndpoint(url=receiver.hook, events=events)
    endpoint, receiver.secret, _ = endpoints.register(new, caller=caller)
    for name, value in columns.items():
        setattr(endpoint, name, value)
    endpoint.save()
    subscriptions.forget()
    return endpoint


def registered_webhook() -> Endpoint:
    """Store an endpoint of the shop that nobody calls."""
    endpoint = Endpoint.objects.create(
        client="shop", kind=Kind.LIVE, url="https://shop.example.com/hook", events=["*"]
    )
    subscriptions.forget()
    return endpoint


def an_event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "client": "shop",
        "kind": Kind.LIVE,
        "type": "notification.delivered",
        "at": timezone.now(),
        "data": {"notification_id": "n-1", "correlation_id": "c-1"},
    }
    return Event(**{**fields, **changes})


def stored(count: int = 1, **changes: Any) -> list[Delivery]:
    """Store the deliveries of events, as the pipeline does, oldest first."""
    before = set(Delivery.objects.values_list("pk", flat=True))
    outbox.store([an_event(**changes) for _ in range(count)])
    return [row for row in Delivery.objects.order_by("pk") if row.pk not in before]


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds; fail if it does not."""
    ends = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def all_ended() -> bool:
    return not Delivery.objects.filter(state="pending").exists()


def at_rest() -> bool:
    """Return whether no worker holds a delivery now."""
    return not Delivery.objects.exclude(claim_id=None).exists()


def moved_to(now: datetime) -> None:
    """Make everything that is due at a time due now, as if the time had come."""
    Delivery.objects.filter(wake_at__lte=now).update(wake_at=timezone.now())
