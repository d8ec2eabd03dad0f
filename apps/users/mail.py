"""The mails about an account itself: confirmation and password reset."""

from concurrent.futures import ThreadPoolExecutor

import structlog
from django.core.mail import send_mail
from django.db import transaction

log = structlog.get_logger(__name__)

_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="account-mail")


def deliver_account_mail(*, to: str, subject: str, text: str) -> None:
    """Send a mail once the transaction at hand is committed, outside of the request."""
    transaction.on_commit(lambda: _pool.submit(_send, to, subject, text))


def _send(to: str, subject: str, text: str) -> None:
    try:
        send_mail(subject, text, None, [to])
    except Exception:
        # Nobody waits for this thread; the person asks again when no mail comes.
        log.exception("an account mail was not sent", subject=subject)
