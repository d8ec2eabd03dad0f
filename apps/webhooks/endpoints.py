"""Register, change, rotate and delete endpoints, with a line in the trail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.common import audit
from apps.common.callers import Caller
from apps.common.ids import new_id
from apps.common.rest.problems import Problem, impossible
from apps.webhooks import event_types, outbox, signing, subscriptions
from apps.webhooks.models import Delivery, DisabledReason, Endpoint
from apps.webhooks.outbox import Event

OBJECT_TYPE = "webhook"
# Old and new secret sign together for so long after a rotation.
OVERLAP = timedelta(hours=24)
ENDPOINTS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class NewEndpoint:
    """What is registered.

    Attributes:
        url: As ``addresses.checked_url`` returns it.
        events: The event types.
        description: What the owner calls it.
    """

    url: str
    events: Sequence[str]
    description: str = ""


def register(
    new: NewEndpoint, *, caller: Caller, key: str | None = None
) -> tuple[Endpoint, str, bool]:
    """Register an endpoint.

    Args:
        new: What is registered.
        caller: The client application.
        key: Its idempotency key.

    Returns:
        The endpoint, its secret, and whether an earlier call with the same key had registered it.

    Raises:
        Problem: 409 for too many endpoints, 422 for a key that was used with another body.
    """
    secret = signing.new_secret()
    client = caller.client or ""
    endpoint = Endpoint(
        client=client,
        kind=caller.kind,
        url=new.url,
        events=list(new.events),
        description=new.description,
        secret=signing.encrypted(secret),
        request_key=key,
        request=msgspec.to_builtins(new) if key is not None else {},
    )
    if (earlier := _earlier(endpoint)) is not None:
        return earlier
    owned = Endpoint.objects.filter(client=client, kind=caller.kind, deleted_at=None)
    if owned.count() >= ENDPOINTS_MAX:
        detail = f"There may be at most {ENDPOINTS_MAX} webhooks. Delete one."
        raise Problem(409, detail, code="too_many_webhooks")
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
            record_act(endpoint, actor=client, action="added")
    except IntegrityError:
        # The same call at the same moment.
        if (earlier := _earlier(endpoint)) is not None:
            return earlier
        raise
    return endpoint, secret, False


def _earlier(asked: Endpoint) -> tuple[Endpoint, str, bool] | None:
    """Return what an earlier call with the same idempotency key has registered."""
    if asked.request_key is None:
        return None
    found = Endpoint.objects.filter(
        client=asked.client, kind=asked.kind, request_key=asked.request_key
    ).first()
    if found is None:
        return None
    if found.request != asked.request:
        raise impossible(
            "/request_id",
            "idempotency_key_reused",
            "This idempotency key was used for a request with another body.",
        )
    return found, signing.decrypted(found.secret), True


def change(endpoint: Endpoint, changes: dict[str, Any], *, actor: str) -> Endpoint:
    """Change columns of an endpoint. Enabling it again forgets its failures.

    Args:
        endpoint: The endpoint.
        changes: ``url``, ``events``, ``description`` and ``enabled``, as far as they change.
        actor: Who changes it.
    """
    now = timezone.now()
    written: dict[str, Any] = {**changes, "updated_at": now}
    with transaction.atomic():
        row = _locked(endpoint)
        if changes.get("enabled") is False and row.enabled:
            written |= {"disabled_reason": DisabledReason.BY_HAND, "disabled_at": now}
        elif changes.get("enabled") is True and not row.enabled:
            written |= {"disabled_reason": "", "disabled_at": None}
        if changes.get("enabled") is True or "url" in changes:
            written |= {"failures": 0, "failing_since": None, "open_until": None}
        for name, value in written.items():
            setattr(row, name, value)
        row.save(update_fields=list(written))
        record_act(row, actor=actor, **_act(changes))
    return row


def rotate(endpoint: Endpoint, *, actor: str) -> str:
    """Give an endpoint a new secret, and return it. The old one signs as well for 24 hours."""
    secret = signing.new_secret()
    now = timezone.now()
    with transaction.atomic():
        row = _locked(endpoint)
        row.previous_secret, row.previous_until = row.secret, now + OVERLAP
        row.secret, row.updated_at = signing.encrypted(secret), now
        row.save(update_fields=["previous_secret", "previous_until", "secret", "updated_at"])
        record_act(row, actor=actor, action="rotated")
    return secret


def delete(endpoint: Endpoint, *, actor: str) -> None:
    """Delete an endpoint. Its deliveries are not made any more, and are purged later."""
    now = timezone.now()
    with transaction.atomic():
        Endpoint.objects.filter(pk=endpoint.pk).update(
            deleted_at=now, enabled=False, secret="", previous_secret="", request_key=None
        )
        record_act(endpoint, actor=actor, action="deleted")
    subscriptions.forget()


def send_test(endpoint: Endpoint, *, actor: str) -> Delivery:
    """Send an event to an endpoint on request, to see whether it works.

    Args:
        endpoint: The endpoint.
        actor: Who asked for it, as the audit trail names them.

    Raises:
        Problem: 409 if it is disabled.
    """
    refuse_disabled(endpoint)
    now = timezone.now()
    event = Event(
        client=endpoint.client,
        kind=endpoint.kind,
        type=event_types.TEST,
        at=now,
        data={"webhook_id": str(endpoint.pk)},
    )
    row = outbox.delivery_of(event, endpoint.pk, event_id=new_id())
    with transaction.atomic():
        row.save(force_insert=True)
        record_act(endpoint, actor=actor, action="test_sent", detail=f"event {row.event_id}")
        outbox.wake([row])
    return row


def refuse_disabled(endpoint: Endpoint) -> None:
    """Refuse what would be sent to a disabled endpoint.

    Raises:
        Problem: 409.
    """
    if not endpoint.enabled:
        detail = "This webhook is disabled. Enable it first."
        raise Problem(409, detail, code="webhook_disabled")


def _locked(endpoint: Endpoint) -> Endpoint:
    row = Endpoint.objects.select_for_update().filter(pk=endpoint.pk, deleted_at=None).first()
    if row is None:  # Deleted since the request has read it.
        raise Problem(404, "There is no such webhook.")
    return row


def _act(changes: dict[str, Any]) -> dict[str, str]:
    """Return what a change is called in the trail."""
    if set(changes) != {"enabled"}:
        return {"action": "changed", "detail": ", ".join(sorted(changes))}
    return {"action": "enabled" if changes["enabled"] else "disabled"}


def record_act(endpoint: Endpoint, *, actor: str, action: str, detail: str = "") -> None:
    """Add what was done to an endpoint to the audit trail, in the caller's transaction."""
    audit.record(
        actor=actor,
        action=action,
        object_type=OBJECT_TYPE,
        object_id=str(endpoint.pk),
        detail=detail or endpoint.client,
    )
