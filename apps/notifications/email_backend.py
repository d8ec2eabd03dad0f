"""Django's own mails, such as password resets, through the preferred e-mail provider."""

from collections.abc import Sequence
from email.utils import parseaddr

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from apps.common.correlation import current_id
from apps.common.ids import new_id
from apps.notifications.providers.base import Mail, Outcome
from apps.notifications.providers.registry import provider, providers_for
from apps.notifications.queues import Channel


class ProviderError(OSError):
    """The provider did not take a mail; its code says why."""


class ProviderBackend(BaseEmailBackend):
    """Hands each mail to the provider, one for each recipient (``EMAIL_BACKEND``)."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send, and return how many mails the provider took.

        Raises:
            ProviderError: One was refused, unless failures are to be silent.
        """
        taken = 0
        outlet = provider(providers_for(Channel.EMAIL)[0], channel=Channel.EMAIL)
        for message in email_messages:
            for recipient in message.recipients():
                reply = outlet.send(_mail(message, recipient))
                if reply.outcome is Outcome.ACCEPTED:
                    taken += 1
                elif not self.fail_silently:
                    raise ProviderError(f"{reply.outcome}: {reply.code}")
        return taken


def _mail(message: EmailMessage, recipient: str) -> Mail:
    mail_id = new_id()
    name, address = parseaddr(recipient)
    domain = parseaddr(message.from_email)[1].rpartition("@")[2] or "localhost"
    return Mail(
        notification_id=mail_id,
        correlation_id=current_id(),
        message_id=f"<{mail_id}@{domain}>",
        sender=message.from_email,
        recipient=address,
        recipient_name=name,
        subject=str(message.subject),
        text=str(message.body),
    )
