"""``notify bounce``: take a mail of the bounce mailbox from standard input."""

import os
import sys
from argparse import Namespace

import structlog
from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from apps.notifications.feedback.bounces.take import take
from apps.notifications.models import Notification

log = structlog.get_logger(__name__)

CHUNK_BYTES = 64 * 1024


def bounce(arguments: Namespace, out: OutputWrapper) -> None:
    """Take the mail and say what it was.

    The status is one of sysexits.h: 0 also for a mail that is no bounce, so that the mail server
    drops it; 75 (EX_TEMPFAIL) for any error of ours, so that the mail server tries it again.
    """
    try:
        taken = take(_read(), Notification.objects.all(), now=timezone.now())
    except Exception as error:
        log.exception("a bounce could not be taken")
        message = f"The bounce could not be taken now: {type(error).__name__}"
        raise CommandError(message, returncode=os.EX_TEMPFAIL) from None
    about = taken.notification_id or "no notification"
    out.write(f"{taken.event} {about}")


def _read() -> bytes:
    """Read the mail. What is over the limit is read and dropped, or the writer would fail."""
    limit = settings.BULK_BODY_MAX_BYTES
    raw = sys.stdin.buffer.read(limit)
    while sys.stdin.buffer.read(CHUNK_BYTES):
        pass
    return raw
