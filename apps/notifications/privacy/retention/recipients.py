"""Clear the recipients of ended account mails that older releases did not clear.

``transitions.advance`` clears ``recipient`` and the secret variables in the statement that writes a
final status. During an upgrade, a scheduler or web process of a release before that column may end
such a mail without clearing them: by its expiry, or by the erasure of its user.
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
# Links and their mails expire after three days. The query uses the index of a client's newest
# notifications.
OLDEST = timedelta(days=7)


class Recipients:
    """A scheduler job that runs every ten minutes."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self) -> bool:
        """Clear the newest ended account mails if the interval has passed."""
        if time.monotonic() >= self._next:
            blank_what_has_ended()
            self._next = time.monotonic() + EVERY_SECONDS
        return False


def blank_what_has_ended() -> int:
    """Clear recipients and secret variables of ended mails, and return the number of mails."""
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
