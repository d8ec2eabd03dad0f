"""Record what came of calls, with a constant number of statements for any number of them.

A result is recorded only while its claim still holds the row. If it cannot be recorded, the lease
ends and the call is made again: an event may arrive twice, and is never lost.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.common.postgresql.one_of import OneOf
from apps.common.times import in_zulu
from apps.webhooks import subscriptions
from apps.webhooks.models import Delivery, DeliveryState, DisabledReason, Endpoint
from apps.webhooks.schedule import Answer, Health, next_try

log = structlog.get_logger(__name__)

DELIVERED, ATTEMPT_FAILED, FAILED = "delivered", "attempt_failed", "failed"
# A delivery that is given again and again by hand keeps its latest calls.
ATTEMPTS_MAX = 50
HEALTH = tuple(field.name for field in fields(Health))
UPDATED = ("state", "wake_at", "tries", "attempts")
# Only our own names.
UPDATE = f"""
UPDATE webhooks_delivery AS row
SET claim_id = NULL, {", ".join(f"{name} = new.{name}" for name in UPDATED)}
FROM json_populate_recordset(NULL::webhooks_delivery, %s) AS new
WHERE row.id = new.id AND row.claim_id = %s
RETURNING row.id
"""  # noqa: S608

ADD = """
INSERT INTO webhooks_total (name, count) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET count = webhooks_total.count + excluded.count
"""


@dataclass(frozen=True, kw_only=True)
class Called:
    """One delivery and what came of its call.

    Attributes:
        row: The delivery, as it was claimed.
        answer: What came of it.
        at: When the call began, UTC.
    """

    row: Delivery
    answer: Answer
    at: datetime


def record(
    claim_id: UUID, endpoint: Endpoint, called: Sequence[Called], *, health: Health
) -> DisabledReason | None:
    """Store the results of calls, the state of the endpoint, and the totals.

    It may be repeated: a repetition stores the same.

    Args:
        claim_id: The claim that holds the rows.
        endpoint: The endpoint, as it was claimed.
        called: The calls, whose results ``settle`` has written to their rows.
        health: The state of the endpoint after them.

    Returns:
        Why the endpoint was disabled; None if it was not.
    """
    now = timezone.now()
    reason = _reason_to_disable(called, health, now=now)
    with transaction.atomic():
        stored = _update(claim_id, [each.row for each in called])
        changed = _changes_of(endpoint, health, reason, now=now)
        if changed:
            Endpoint.objects.filter(pk=endpoint.pk, enabled=True).update(**changed)
        _count([each for each in called if each.row.pk in stored])
    remember(endpoint, health)
    if reason is not None:
        subscriptions.forget()
        log.warning(
            "a webhook was disabled",
            endpoint_id=str(endpoint.pk),
            client=endpoint.client,
            reason=reason.value,
        )
    return reason


def remember(endpoint: Endpoint, health: Health) -> None:
    """Write the state of an endpoint to it, in memory: what is stored already."""
    for name in HEALTH:
        setattr(endpoint, name, getattr(health, name))


def release(claim_id: UUID, rows: Sequence[Delivery]) -> None:
    """Give back rows that were not called: another worker may claim them at once."""
    held = Delivery.objects.filter(OneOf("pk", [row.pk for row in rows]), claim_id=claim_id)
    held.update(claim_id=None, wake_at=timezone.now())


def settle(each: Called) -> None:
    """Write to a row, in memory, what came of its call."""
    row, answer, now = each.row, each.answer, timezone.now()
    row.tries += 1
    row.attempts = [
        *row.attempts[1 - ATTEMPTS_MAX :],
        {
            "at": in_zulu(each.at),
            "status_code": answer.status_code,
            "duration_ms": answer.duration_ms,
            "error": answer.error.value if answer.error is not None else None,
            "response_excerpt": answer.excerpt,
        },
    ]
    if answer.delivered:
        row.state, row.wake_at = DeliveryState.DELIVERED, None
        return
    # No secret hangs on this number.
    row.wake_at = next_try(answer, tries=row.tries, now=now, chance=random.random())  # noqa: S311
    row.state = DeliveryState.PENDING if row.wake_at else DeliveryState.FAILED


def _update(claim_id: UUID, rows: Sequence[Delivery]) -> set[UUID]:
    """Update the rows that the claim still holds, and return their ids."""
    if connection.vendor != "postgresql":
        held = Delivery.objects.filter(OneOf("pk", [row.pk for row in rows]), claim_id=claim_id)
        kept = set(held.values_list("pk", flat=True))
        for row in rows:
            row.claim_id = None
        Delivery.objects.bulk_update(
            [row for row in rows if row.pk in kept], [*UPDATED, "claim_id"]
        )
        return kept
    values: list[dict[str, Any]] = [
        {"id": row.pk, **{name: getattr(row, name) for name in UPDATED}} for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, [msgspec.json.encode(values).decode(), claim_id])
        return {pk for (pk,) in cursor.fetchall()}


def _reason_to_disable(
    called: Sequence[Called], health: Health, *, now: datetime
) -> DisabledReason | None:
    if any(each.answer.gone for each in called):
        return DisabledReason.GONE
    return DisabledReason.FAILING if health.is_beyond_hope(now) else None


def _changes_of(
    endpoint: Endpoint, health: Health, reason: DisabledReason | None, *, now: datetime
) -> dict[str, Any]:
    """Return the columns of the endpoint that change. Most calls succeed, and change none."""
    changed: dict[str, Any] = {
        name: getattr(health, name)
        for name in HEALTH
        if getattr(health, name) != getattr(endpoint, name)
    }
    if reason is not None:
        changed |= {
            "enabled": False,
            "disabled_reason": reason,
            "disabled_at": now,
            "updated_at": now,
        }
    return changed


def _count(called: Sequence[Called]) -> None:
    counts = Counter(
        name
        for each in called
        for name in (
            (DELIVERED,)
            if each.answer.delivered
            else (ATTEMPT_FAILED, FAILED)
            if each.row.state == DeliveryState.FAILED
            else (ATTEMPT_FAILED,)
        )
    )
    with connection.cursor() as cursor:
        # In the same order in all processes, which would deadlock otherwise.
        cursor.executemany(ADD, sorted(counts.items()))


def body_of(row: Delivery, *, external_ids: dict[UUID, str]) -> bytes:
    """Return the body of a delivery. It is the same at each attempt."""
    data = dict(row.data)
    if row.user_id is not None:
        data["external_id"] = external_ids.get(row.user_id)
    body = {"type": row.event, "timestamp": in_zulu(row.occurred_at), "data": data}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
