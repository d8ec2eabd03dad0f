"""Webhooks and deliveries as the tests of the desk need them, without a call."""

from typing import Any

from django.utils import timezone

from apps.common.callers import Kind
from apps.common.times import in_zulu
from apps.webhooks import signing
from apps.webhooks.models import Delivery, DeliveryState, Endpoint

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8Lr7XJgVUOg="


def webhook(**changes: Any) -> Endpoint:
    """Store a webhook of the shop."""
    columns: dict[str, Any] = {
        "client": "shop",
        "kind": Kind.LIVE,
        "url": "https://hooks.example.com/in?token=t0ken",
        "events": ["notification.delivered", "notification.failed"],
        "secret": signing.encrypted(SECRET),
    }
    return Endpoint.objects.create(**{**columns, **changes})


def attempt(status_code: int | None = 204, *, error: str | None = None, **changes: Any) -> Any:
    """Return an attempt as the log stores it."""
    stored: dict[str, Any] = {
        "at": in_zulu(timezone.now()),
        "status_code": status_code,
        "duration_ms": 12,
        "error": error,
        "response_excerpt": "",
    }
    return {**stored, **changes}


def delivery(endpoint: Endpoint, *attempts: Any, **changes: Any) -> Delivery:
    """Store a delivery: taken if its last attempt was, else waiting."""
    taken = bool(attempts) and attempts[-1]["status_code"] == 204
    columns: dict[str, Any] = {
        "endpoint_id": endpoint.pk,
        "event": "notification.delivered",
        "state": DeliveryState.DELIVERED if taken else DeliveryState.PENDING,
        "wake_at": None if taken else timezone.now(),
        "tries": len(attempts),
        "attempts": list(attempts),
    }
    return Delivery.objects.create(**{**columns, **changes})
