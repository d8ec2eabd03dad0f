"""Account mails as notifications: stored immediately, urgent, critical, visible to operators."""

from zoneinfo import ZoneInfo

from django.db import transaction

from apps.notifications.intake import own_mails
from apps.notifications.intake.own_mails import OwnMail
from apps.notifications.models import Notification
from apps.notifications.statistics.record import insert_accepted
from apps.templates.rendering import builtin
from apps.users.contacts import AccountMail


class Mailer:
    """Implements the mailer port of ``apps.users.mail``."""

    def send(self, mail: AccountMail) -> None:
        """Store a mail in the current transaction, and wake a worker when it commits."""
        own_mails.store([_row_of(mail)])

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
    until = mail.expires_at.astimezone(_zone(mail.timezone))
    given = {
        "name": mail.name,
        "link": mail.link,
        # Digits are the same in every language. An absolute time is used and not "three days",
        # because a retried mail arrives later than it was requested.
        "until": f"{until:%Y-%m-%d %H:%M} ({until.tzinfo})",
    }
    return own_mails.row_of(
        OwnMail(
            text=mail.text,
            language=builtin.language_for(mail.locale),
            variables=given,
            is_secret=True,
            user_id=mail.user_id,
            recipient=mail.recipient,
            expires_at=mail.expires_at,
        )
    )


def _zone(name: str) -> ZoneInfo:
    """Return a zone of the time zone database; UTC if the database no longer has it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
