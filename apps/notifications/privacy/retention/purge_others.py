"""Purge other growing tables: batches, poison messages, notices, reports, the sandbox."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from apps.common.failure_isolation import isolate_failures
from apps.notifications.feedback import waiting
from apps.notifications.models import (
    Batch,
    BatchState,
    DeadLetter,
    Notice,
    Notification,
    Receipt,
    SandboxMessage,
)
from apps.notifications.privacy.retention.rules import Rules

log = structlog.get_logger(__name__)

# The maximum number of rows of each table per pass; the next pass continues.
STEP_ROWS = 1000

MODELS: dict[str, type[Model]] = {
    "batches": Batch,
    "dead_letters": DeadLetter,
    "notices": Notice,
    "receipts": Receipt,
    "sandbox_messages": SandboxMessage,
}


def purge_all(known: Rules) -> dict[str, int]:
    """Purge old rows.

    Returns:
        The number of purged rows by kind, without kinds that had none.
    """
    limit = known.limit()
    old: dict[str, Callable[[], list[Any]]] = {
        "batches": lambda: _batches(known),
        "dead_letters": lambda: _first(
            DeadLetter.objects.filter(notification=None, recorded_at__lt=limit)
        ),
        "notices": lambda: _first(Notice.objects.filter(over_at__lt=limit)),
        "receipts": lambda: _first(
            Receipt.objects.filter(notification=None, received_at__lt=known.now - waiting.KEPT)
        ),
        "sandbox_messages": lambda: _first(SandboxMessage.objects.filter(created_at__lt=limit)),
    }
    left = {name: _delete(MODELS[name], find()) for name, find in old.items()}
    return {name: count for name, count in left.items() if count}


def _batches(known: Rules) -> list[Any]:
    """Return the ids of old ended batches that have no notifications any more."""
    old = ~Q(client__in=known.by_client) & Q(created_at__lt=known.limit())
    for client in known.by_client:
        old |= Q(client=client, created_at__lt=known.limit(client))
    kept = Notification.objects.filter(batch_id=OuterRef("pk"))
    ended = Batch.objects.filter(
        old, ~Exists(kept), state__in=(BatchState.FINISHED, BatchState.CANCELLED), next_at=None
    )
    return _first(ended)


def _first(rows: QuerySet[Any]) -> list[Any]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:STEP_ROWS])


def _delete(model: type[Model], ids: list[Any]) -> int:
    """Delete rows. A row that cannot be deleted is skipped, and the next pass tries it again.

    Returns:
        The number of deleted rows.
    """
    rows = model._base_manager  # noqa: SLF001 - documented by Django.

    def delete(some: Sequence[Any]) -> int:
        rows.filter(pk__in=some).delete()
        return len(some)

    def keep(pk: Any, error: Exception) -> int:
        log.error("an old row could not be purged", kind=model.__name__, pk=str(pk), exc_info=error)
        return 0

    return sum(isolate_failures(ids, delete, failed=keep))
