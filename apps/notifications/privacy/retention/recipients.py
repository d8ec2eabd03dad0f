"""Blank what older releases leave on mails about accounts when they end one.

``transitions.advance`` empties ``recipient`` and what goes with it in the statement that writes an
ending. A scheduler or web process of a release before that column, which runs beside newer ones for
a while, ends such a mail without that: by its expiry, or by the erasure of its user.
"""

import time
from datetime import timedelta

import structlog
from django.utils import timezone

from apps.common.callers import SYSTEM_CLIENT, Kind
from apps.common.ids import first_id_at
from apps.notifications.lifecycle.states import FINISHED
from apps.notifications.models import Notification

log = structlog.get_logger(__name__)

EVERY_SECONDS = 600.0
# Links end after three days, and their mails with them. The index of a client's newest serves this.
OLDEST = timedelta(days=7)


class Recipients:
    """A job of the scheduler, with something to do every ten minutes."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self) -> bool:
        """Look through the newest mails about accounts if it is time to."""
        if time.monotonic() >= self._next:
            blank_what_has_ended()
            self._next = time.monotonic() + EVERY_SECONDS
        return False


def blank_what_has_ended() -> int:
    """Blank recipients and variables of mails that have ended, and return of how many."""
    left = Notification.objects.filter(
        client=SYSTEM_CLIENT,
        kind=Kind.LIVE,
        pk__gte=first_id_at(timezone.now() - OLDEST),
        recipient__gt="",
        status__in=FINISHED,
    )
    blanked = left.update(recipient="", secret_variables=None)
    if blanked:
        log.info("recipients of ended mails blanked", count=blanked)
    return blanked
