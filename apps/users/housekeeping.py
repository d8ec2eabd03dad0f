"""What runs out by itself and would otherwise stay: refresh tokens and sessions."""

import time

from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

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
    tokens = OutstandingToken.objects.filter(expires_at__lt=now)
    old_tokens = list(tokens.values_list("pk", flat=True)[:STEP_ROWS])
    OutstandingToken.objects.filter(pk__in=old_tokens).delete()
    sessions = Session.objects.filter(expire_date__lt=now)
    old_sessions = list(sessions.values_list("pk", flat=True)[:STEP_ROWS])
    Session.objects.filter(pk__in=old_sessions).delete()
    return max(len(old_tokens), len(old_sessions))
