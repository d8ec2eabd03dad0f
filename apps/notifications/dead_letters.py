"""Record what went through the dead-letter exchange: once, however often it came."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from apps.notifications.models import DeadLetter, Notification
from apps.notifications.states import Status

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Poison:
    """A message that the broker or a worker threw out.

    Attributes:
        message_id: Its own id, by which a second copy is recognised.
        reason: The broker's word, such as ``rejected`` or ``delivery_limit``.
        channel: The channel of the queue that it was thrown out of; empty if unknown.
        x_death: The broker's account of its way.
        message: Headers and body, as far as they can be shown.
    """

    message_id: str
    reason: str
    channel: str
    x_death: list[dict[str, Any]] = field(default_factory=list)
    message: dict[str, Any] = field(default_factory=dict)


def record_failed(ids: Collection[UUID]) -> None:
    """Record notifications that ended in ``failed``, and let their rows rest.

    A row that is no longer failed, because a late receipt told better, has no dead letter.
    """
    with transaction.atomic():
        rows = list(
            Notification.objects.filter(pk__in=ids, status=Status.FAILED)
            .order_by("pk")
            .select_for_update()
        )
        DeadLetter.objects.bulk_create(
            [DeadLetter(notification=row, channel=row.channel, reason=row.reason) for row in rows],
            ignore_conflicts=True,
        )
        Notification.objects.filter(pk__in=[row.pk for row in rows]).update(wake_at=None)
    for row in rows:
        log.warning(
            "dead letter recorded",
            notification_id=str(row.pk),
            correlation_id=row.correlation_id,
            channel=row.channel,
            reason=row.reason,
        )


def record_poison(poison: Poison) -> None:
    """Record a message that could not be worked on. Its rows are found by the sweep."""
    DeadLetter.objects.bulk_create(
        [
            DeadLetter(
                message_id=poison.message_id,
                reason=poison.reason[:40],
                channel=poison.channel,
                x_death=poison.x_death,
                message=poison.message,
            )
        ],
        ignore_conflicts=True,
    )
    log.warning("poison recorded", message_id=poison.message_id, reason=poison.reason)
