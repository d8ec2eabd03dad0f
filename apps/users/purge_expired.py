"""What runs out by itself and would stay: refresh tokens, sessions, unconfirmed accounts."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.common.failure_isolation import set_apart
from apps.users import unconfirmed

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0
# In one step; what is left goes with the next.
STEP_ROWS = 1000


class PurgeExpired:
    """A job of the scheduler, with something to do once an hour."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self) -> bool:
        """Forget a step's worth of what has run out; always leaves time for others."""
        if time.monotonic() < self._next:
            return False
        if purge_expired() < STEP_ROWS:
            self._next = time.monotonic() + EVERY_SECONDS
        return False


def purge_expired() -> int:
    """Delete expired refresh tokens and sessions, and accounts that nobody has confirmed in time.

    Returns:
        How many, of the kind that had more; as many as ``STEP_ROWS`` means that there may be more.
    """
    now = timezone.now()
    return max(
        _delete_some(OutstandingToken.objects.filter(expires_at__lt=now)),
        _delete_some(Session.objects.filter(expire_date__lt=now)),
        _delete_unconfirmed(),
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


def _delete_unconfirmed() -> int:
    """Delete a step's worth of accounts, each with what was sent to it in a transaction of its own.

    One at a time: a thousand in one transaction would keep others from writing for seconds.
    """
    run_out = unconfirmed.accounts().filter(created_at__lt=unconfirmed.run_out_before())
    ids = list(run_out.order_by("created_at").values_list("pk", flat=True)[:STEP_ROWS])

    def delete(some: Sequence[Any]) -> int:
        return sum(unconfirmed.delete(pk) for pk in some)

    def keep(pk: Any, error: Exception) -> int:
        log.error("an unconfirmed account could not be deleted", user_id=str(pk), exc_info=error)
        return 0

    return sum(sum(set_apart([pk], delete, failed=keep)) for pk in ids)
