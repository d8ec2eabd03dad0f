"""Account mails as notifications: stored immediately, urgent, critical, visible to operators."""

from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction
from django.utils import timezone

from apps.common.callers import SYSTEM_CLIENT, Kind
from apps.common.channels import Channel
from apps.common.middleware.correlation import current_id
from apps.notifications.broker import publisher
from apps.notifications.intake.accept import log_accepted
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Notification
from apps.notifications.privacy.redaction import redacted
from apps.notifications.statistics.record import insert_accepted
from apps.templates.rendering import builtin
from apps.users.contacts import AccountMail

log = structlog.get_logger(__name__)

PRIORITY = 9
# The UUID namespace of the built-in texts. Their ids are of version 5 and cannot collide with those
# of stored template versions, which are of version 7.
TEXTS = UUID("6f1d0a86-6b0f-4f5e-9f57-2c1c3f9e5c11")
VERSION = 1


class Mailer:
    """Implements the mailer port of ``apps.users.mail``."""

    def send(self, mail: AccountMail) -> None:
        """Store a mail in the current transaction, and wake a worker when it commits."""
        row = _row_of(mail)
        with transaction.atomic():
            with transaction.atomic():
                insert_accepted([row])
            publisher.hand_over([row])
        log_accepted(row)

    def pretend(self, mail: AccountMail) -> None:
        """Insert the row of a mail, roll it back to a savepoint, and commit.

        The transaction has written by then, so its commit waits for the disk like that of ``send``
        and takes the same time. The row is never visible to other transactions.
        """
        row = _row_of(mail)
        with transaction.atomic(), transaction.atomic():
            insert_accepted([row])
            # Rolls back only the inner block, which is a savepoint.
            transaction.set_rollback(True)


def _row_of(mail: AccountMail) -> Notification:
    now = timezone.now()
    code = builtin.code_of(mail.text)
    language = builtin.language_for(mail.locale)
    until = mail.expires_at.astimezone(_zone(mail.timezone))
    given = {
        "name": mail.name,
        "link": mail.link,
        # Digits are the same in every language. An absolute time is used and not "three days",
        # because a retried mail arrives later than it was requested.
        "until": f"{until:%Y-%m-%d %H:%M} ({until.tzinfo})",
    }
    variables = {name: given[name] for name in sorted(builtin.VARIABLES[mail.text])}
    return Notification(
        client=SYSTEM_CLIENT,
        kind=Kind.LIVE,
        body_digest=b"",
        correlation_id=current_id(),
        channel=Channel.EMAIL,
        user_id=mail.user_id,
        recipient=mail.recipient,
        template_code=code,
        template_version=VERSION,
        template_version_id=uuid5(TEXTS, f"{code}/{language}"),
        language=language,
        variables=redacted(variables),
        sensitive=True,
        secret_variables=variables,
        priority=PRIORITY,
        expires_at=mail.expires_at,
        status=Status.PENDING,
        wake_at=publisher.first_wake(now),
        created_at=now,
        updated_at=now,
    )


def _zone(name: str) -> ZoneInfo:
    """Return a zone of the time zone database; UTC if the database no longer has it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
