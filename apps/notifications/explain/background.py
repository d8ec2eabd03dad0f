"""Explain audiences that are too large for one answer, step by step in a scheduler."""

from datetime import timedelta

import msgspec
import structlog
from django.db import transaction
from django.utils import timezone

from apps.common.callers import Caller, Kind
from apps.common.middleware.correlation import correlated, current_id
from apps.notifications.explain import audience
from apps.notifications.explain.audience import Counts
from apps.notifications.intake.requests import BroadcastRequest
from apps.notifications.models import AudienceExplanation
from apps.users import contacts

log = structlog.get_logger(__name__)

# The users of one step, which takes a quarter of a second.
STEP_USERS = 1_000
# After a failed step, so that one that always fails does not occupy the scheduler.
RETRY = timedelta(seconds=30)
KEPT = timedelta(days=1)


def start(asked: BroadcastRequest, *, caller: Caller) -> AudienceExplanation:
    """Store what is to be explained, and delete what is older than a day."""
    now = timezone.now()
    AudienceExplanation.objects.filter(created_at__lt=now - KEPT).delete()
    return AudienceExplanation.objects.create(
        client=caller.client or "",
        kind=caller.kind,
        correlation_id=current_id(),
        terms=msgspec.to_builtins(asked),
    )


def explain_step() -> bool:
    """Judge the next users of one audience.

    Safe in several processes: each takes an audience that no other process has locked.

    Returns:
        Whether a step was done. If so, there may be more to do immediately.
    """
    with transaction.atomic():
        due = AudienceExplanation.objects.filter(next_at__lte=timezone.now())
        row = due.select_for_update(skip_locked=True).order_by("next_at").first()
        if row is None:
            return False
        with correlated(row.correlation_id):
            try:
                with transaction.atomic():
                    _advance(row)
            except Exception:
                log.exception("a step of an explanation failed", explanation_id=str(row.pk))
                row.next_at = timezone.now() + RETRY
                row.save(update_fields=["next_at"])
    return True


def _advance(row: AudienceExplanation) -> None:
    asked = msgspec.convert(row.terms, BroadcastRequest)
    people = contacts.audience_members(
        after=row.done_to_user_id,
        upto=row.pk,
        limit=STEP_USERS,
        channel=asked.notification_type,
        category=asked.audience.category,
    )
    counts = Counts.read(row.found, total=row.total)
    caller = Caller(client=row.client, kind=Kind(row.kind))
    audience.count(asked, people, caller=caller, now=row.created_at, counts=counts)
    row.total, row.found = counts.total, counts.lines()
    row.done_to_user_id = people[-1] if people else row.done_to_user_id
    row.next_at = timezone.now() if len(people) == STEP_USERS else None
    row.save()
