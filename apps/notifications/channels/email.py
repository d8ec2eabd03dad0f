"""Compose a mail."""

from email.utils import parseaddr

from django.conf import settings

from apps.notifications.models import Notification
from apps.notifications.providers.base import Mail
from apps.templates.rendering import EmailContent
from apps.users.contacts import Contact


def message_id_for(notification: Notification) -> str:
    """Make the Message-ID from the notification id, so that every copy carries the same one."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{notification.pk}@{domain}>"


def compose(notification: Notification, *, contact: Contact, content: EmailContent) -> list[Mail]:
    """Compose the one mail of a notification. The contact has an address."""
    assert contact.email is not None
    return [
        Mail(
            notification_id=notification.pk,
            correlation_id=notification.correlation_id,
            message_id=message_id_for(notification),
            sender=settings.DEFAULT_FROM_EMAIL,
            recipient=contact.email,
            recipient_name=contact.name,
            subject=content.subject,
            text=content.text,
            html=content.html,
            headers={"X-Correlation-ID": notification.correlation_id},
        )
    ]
