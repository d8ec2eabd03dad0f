"""Pause, resume and cancel a batch."""

from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from apps.common.rest.problems import Problem
from apps.notifications.lifecycle.states import UNFINISHED
from apps.notifications.models import Batch, BatchState, Notification

log = structlog.get_logger(__name__)


def pause(batch_id: UUID) -> Batch:
    """Stop creating notifications of a batch. Those already created are still sent.

    Raises:
        Problem: 409 if there are none left to create.
    """
    return _move(batch_id, to=BatchState.PAUSED, word="paused")


def resume(batch_id: UUID) -> Batch:
    """Continue a paused batch.

    Raises:
        Problem: 409 if the batch is neither running nor paused.
    """
    return _move(batch_id, to=BatchState.RUNNING, word="resumed")


def _move(batch_id: UUID, *, to: BatchState, word: str) -> Batch:
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.state not in {BatchState.RUNNING, BatchState.PAUSED}:
            raise Problem(409, f"A batch that is {batch.state} cannot be {word}.")
        if batch.state != to:
            batch.state = to
            batch.next_at = timezone.now() if to is BatchState.RUNNING else None
            batch.save(update_fields=["state", "next_at"])
            log.info("batch changed", batch_id=str(batch.pk), state=to)
    return batch


def cancel(batch_id: UUID) -> Batch:
    """Cancel a batch and its notifications that are not sent yet. Repeating it changes nothing.

    Raises:
        Problem: 409 if all notifications have ended, or the upload is still being received.
    """
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.state == BatchState.CANCELLED:
            return batch
        if batch.state == BatchState.RECEIVING:
            raise Problem(409, "A batch that is receiving cannot be cancelled.")
        # A row that a worker holds now may be requeued if its call fails, so it counts as well.
        unfinished = Notification.objects.filter(batch_id=batch.pk, status__in=UNFINISHED)
        if batch.state == BatchState.FINISHED and not unfinished.exists():
            raise Problem(409, "Everything of this batch has gone out.")
        batch.slices.all().delete()
        batch.state, batch.next_at, batch.terms = BatchState.CANCELLED, timezone.now(), {}
        batch.save(update_fields=["state", "next_at", "terms"])
        log.info("batch changed", batch_id=str(batch.pk), state=batch.state)
    return batch
