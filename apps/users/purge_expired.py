"""Purge expired refresh tokens, sessions and suppressions, and unconfirmed accounts."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.common.failure_isolation import isolate_failures
from apps.users import unconfirmed
from apps.users.models import Suppression

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0
# Maximum number of rows per step; the next step deletes the rest.
STEP_ROWS = 1000


class PurgeExpired:
    """A job of the scheduler that purges expired rows once an hour."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self) -> bool:
        """Purge one step if it is due. Return False, so that other jobs can run."""
        if time.monotonic() < self._next:
            return False
        if purge_expired() < STEP_ROWS:
            self._next = time.monotonic() + EVERY_SECONDS
        return False


def purge_expired() -> int:
    """Delete expired tokens, sessions and suppressions, and accounts not confirmed in time.

    Returns:
        The largest number of deleted rows of one kind; ``STEP_ROWS`` means that there may be more.
    """
    now = timezone.now()
    return max(
        _delete_some(OutstandingToken.objects.filter(expires_at__lt=now)),
        _delete_some(Session.objects.filter(expire_date__lt=now)),
        _delete_some(Suppression.objects.filter(expires_at__lt=now)),
        _delete_unconfirmed(),
    )


def _delete_some(old: QuerySet[Any]) -> int:
    """Delete up to ``STEP_ROWS`` rows. A row that cannot be deleted is skipped until later."""
    ids = list(old.values_list("pk", flat=True)[:STEP_ROWS])

    def delete(some: Sequence[Any]) -> int:
        old.filter(pk__in=some).delete()
        return len(some)

    def keep(pk: Any, error: Exception) -> int:
        # The key of a session is a secret, so it is not logged.
        log.error("an expired row could not be deleted", kind=old.model.__name__, exc_info=error)
        return 0

    return sum(isolate_failures(ids, delete, failed=keep))


def _delete_unconfirmed() -> int:
    """Delete up to ``STEP_ROWS`` accounts with their notifications.

    Each account has its own transaction: one transaction for a thousand accounts would block other
    writers for seconds.
    """
    run_out = unconfirmed.accounts().filter(created_at__lt=unconfirmed.expired_before())
    ids = list(run_out.order_by("created_at").values_list("pk", flat=True)[:STEP_ROWS])

    def delete(some: Sequence[Any]) -> int:
        return sum(unconfirmed.delete(pk) for pk in some)

    def keep(pk: Any, error: Exception) -> int:
        log.error("an unconfirmed account could not be deleted", user_id=str(pk), exc_info=error)
        return 0

    return sum(sum(isolate_failures([pk], delete, failed=keep)) for pk in ids)
