"""The mails about an account itself, as this app asks for them; the pipeline fills the port.

This app knows no pipeline, so ``apps.notifications`` gives it a mailer when the process starts.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class AccountText(StrEnum):
    """Which text a mail has."""

    RESET_PASSWORD = "reset-password"  # noqa: S105 - the name of a text.
    CONFIRM_EMAIL = "confirm-email"


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountMail:
    """One mail about an account.

    Attributes:
        text: What it says.
        user_id: Whose account it is about; erasing them erases what is left of the mail.
        recipient: Where it goes, as it goes to the wire; it need not be the account's address.
        name: What the person is called.
        locale: Their language, as a BCP 47 tag.
        timezone: Their zone of the IANA database, in which the end of the link is told.
        link: The page to open. It is a secret: whoever has it may act for the person.
        expires_at: When the link ends, UTC; the mail is not sent after it.
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
    """Takes mails about accounts; what it has taken survives this process."""

    def send(self, mail: AccountMail) -> None:
        """Store a mail in the transaction at hand, and have it sent once that is committed.

        Raises:
            django.db.Error: It is not stored.
        """

    def pretend(self, mail: AccountMail) -> None:
        """Do the work of ``send`` and leave nothing, so that its time tells nothing either.

        Raises:
            django.db.Error: The database is away, as for ``send``.
        """


_filled: list[AccountMailer] = []


def fill(mailer: AccountMailer) -> None:
    """Name who sends the mails of this process, once it starts."""
    _filled[:] = [mailer]


def mailer() -> AccountMailer:
    """Return who sends.

    Raises:
        RuntimeError: Nobody was named: the pipeline is not among the installed applications.
    """
    if not _filled:
        raise RuntimeError("nobody sends the mails about accounts")
    return _filled[0]
