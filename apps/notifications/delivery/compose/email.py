"""Compose a mail."""

from email.utils import parseaddr
from functools import cache

from django.conf import settings

from apps.notifications.feedback import unsubscribe
from apps.notifications.feedback.unsubscribe import Subscription
from apps.notifications.models import Notification
from apps.notifications.providers.base import Mail
from apps.templates.rendering import EmailContent, TemplateFacts
from apps.users.contacts import Contact

# No vacation notice or other program should answer (RFC 3834, 5). Exchange reads the second one:
# https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxcmail.
AUTOMATIC = {
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "OOF, AutoReply",
}


def message_id_for(notification: Notification) -> str:
    """Build the Message-ID from the notification id, so that all copies have the same one."""
    return f"<{notification.pk}@{_domain_of(settings.DEFAULT_FROM_EMAIL)}>"


@cache
def _domain_of(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def sender_of(content: EmailContent) -> str:
    """Return the sender, with the name that the template gives it."""
    sender: str = settings.DEFAULT_FROM_EMAIL
    if not content.from_name:
        return sender
    name = content.from_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{parseaddr(sender)[1]}>'


def headers_of(
    notification: Notification, *, content: EmailContent, facts: TemplateFacts
) -> dict[str, str]:
    """Build the additional headers. Only mails that are not critical get unsubscribe headers."""
    headers = {"X-Correlation-ID": notification.correlation_id, **AUTOMATIC}
    if reply_to := notification.reply_to or content.reply_to:
        headers["Reply-To"] = reply_to
    if not facts.critical:
        subscription = Subscription(user_id=notification.user_id, category=facts.category)
        headers.update(unsubscribe.headers_for(subscription))
    return headers


def compose(
    notification: Notification, *, contact: Contact, content: EmailContent, facts: TemplateFacts
) -> list[Mail]:
    """Compose the single mail of a notification. The contact must have an address."""
    assert contact.email is not None
    return [
        Mail(
            notification_id=notification.pk,
            correlation_id=notification.correlation_id,
            message_id=message_id_for(notification),
            sender=sender_of(content),
            recipient=contact.email,
            # An account mail may be requested by an unauthenticated caller, who may invent a name.
            # A mail to operators has no name.
            recipient_name=contact.name if notification.recipient is None else "",
            subject=content.subject,
            text=content.text,
            html=content.html,
            headers=headers_of(notification, content=content, facts=facts),
            sensitive=notification.sensitive,
        )
    ]
