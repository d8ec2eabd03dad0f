"""The interface (port) through which this app sends mails about accounts.

This app does not depend on the delivery pipeline. The setting ``ACCOUNT_MAILER`` names the class
that sends the mails.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


class AccountText(StrEnum):
    """The text of a mail."""

    RESET_PASSWORD = "reset-password"  # noqa: S105 - the name of a text.
    CONFIRM_EMAIL = "confirm-email"


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountMail:
    """One mail about an account.

    Attributes:
        text: The text of the mail.
        user_id: The account; erasing the user also erases the stored mail.
        recipient: The e-mail address to send to, in deliverable form; it may differ from the
            account's address.
        name: The name of the user.
        locale: The language of the user, as a BCP 47 tag.
        timezone: The user's time zone (IANA), in which the mail shows when the link expires.
        link: The page to open. The link is a secret: anyone who has it can act for the user.
        expires_at: When the link expires, in UTC; the mail is not sent after that.
    """

    text: AccountText
    user_id: UUID
    recipient: str
    name: str
    locale: str
    timezone: str
    link: str
    expires_at: datetime


class AccountMailer(Protocol):
    """A mailer for mails about accounts. It stores accepted mails durably."""

    def send(self, mail: AccountMail) -> None:
        """Store a mail in the current transaction and send it after the commit.

        Raises:
            django.db.Error: The mail was not stored.
        """

    def pretend(self, mail: AccountMail) -> None:
        """Do the work of ``send`` without storing a mail, so that both take the same time.

        Raises:
            django.db.Error: The database is unavailable, as for ``send``.
        """


@cache
def mailer() -> AccountMailer:
    """Return the mailer of this process. Its class is imported on first use, as are providers."""
    made: AccountMailer = import_string(settings.ACCOUNT_MAILER)()
    return made
