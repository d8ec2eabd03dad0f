"""What else grows with time: batches, poison, unmatched receipts, the sandbox."""

from django.db.models import Exists, OuterRef, QuerySet

from apps.notifications.models import (
    Batch,
    BatchState,
    DeadLetter,
    Notification,
    Receipt,
    SandboxMessage,
)
from apps.notifications.retention.rules import Rules

# In one walk; what is left leaves with the next.
STEP_ROWS = 1000


def leave(known: Rules) -> dict[str, int]:
    """Let go of what is old.

    Returns:
        How many of each left; kinds of which none did are left out.
    """
    limit = known.limit()
    left = {
        "batches": _batches(known),
        "dead_letters": _delete(
            DeadLetter.objects.filter(notification=None, recorded_at__lt=limit)
        ),
        "receipts": _delete(Receipt.objects.filter(notification=None, received_at__lt=limit)),
        "sandbox_messages": _delete(SandboxMessage.objects.filter(created_at__lt=limit)),
    }
    return {name: count for name, count in left.items() if count}


def _batches(known: Rules) -> int:
    """Delete batches of which no notification is left."""
    kept = Notification.objects.filter(batch_id=OuterRef("pk"))
    ended = Batch.objects.filter(
        ~Exists(kept),
        state__in=(BatchState.FINISHED, BatchState.CANCELLED),
        next_at=None,
        created_at__lt=known.newest,
    )
    old = [
        pk
        for pk, client, created_at in ended.values_list("pk", "client", "created_at")[:STEP_ROWS]
        if created_at < known.limit(client)
    ]
    Batch.objects.filter(pk__in=old).delete()
    return len(old)


def _delete(rows: QuerySet[DeadLetter] | QuerySet[Receipt] | QuerySet[SandboxMessage]) -> int:
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:STEP_ROWS])
    rows.model.objects.filter(pk__in=ids).delete()
    return len(ids)
