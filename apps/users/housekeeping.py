"""What runs out by itself and would otherwise stay: refresh tokens and sessions."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.common.setting_apart import set_apart

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0
# In one step; what is left goes with the next.
STEP_ROWS = 1000


class Housekeeping:
    """A chore of the scheduler, with something to do once an hour."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self) -> bool:
        """Forget a step's worth of what has run out; always leaves time for others."""
        if time.monotonic() < self._next:
            return False
        if forget_expired() < STEP_ROWS:
            self._next = time.monotonic() + EVERY_SECONDS
        return False


def forget_expired() -> int:
    """Delete expired refresh tokens and sessions.

    Returns:
        How many, of the kind that had more; as many as ``STEP_ROWS`` means that there may be more.
    """
    now = timezone.now()
    return max(
        _delete_some(OutstandingToken.objects.filter(expires_at__lt=now)),
        _delete_some(Session.objects.filter(expire_date__lt=now)),
    )


def _delete_some(old: QuerySet[Any]) -> int:
    """Delete a step's worth; a row that cannot be deleted stops no other, and is left for later."""
    ids = list(old.values_list("pk", flat=True)[:STEP_ROWS])

    def delete(some: Sequence[Any]) -> int:
        old.filter(pk__in=some).delete()
        return len(some)

    def keep(pk: Any, error: Exception) -> int:
        # A session's key is a secret, so it is not named.
        log.error("an expired row could not be deleted", kind=old.model.__name__, exc_info=error)
        return 0

    return sum(set_apart(ids, delete, failed=keep))
