"""The objects that every template has: ``recipient`` and ``unsubscribe_url``."""

from typing import Any

from apps.notifications.feedback import unsubscribe
from apps.notifications.feedback.unsubscribe import Subscription
from apps.notifications.models import Notification
from apps.templates.rendering import TemplateFacts
from apps.users.contacts import Contact


def objects_for(
    notification: Notification, *, contact: Contact, facts: TemplateFacts
) -> dict[str, Any]:
    """Return the objects for one notification. A critical one cannot be unsubscribed from."""
    return {
        "recipient": {
            "name": contact.name,
            "email": contact.email or "",
            "locale": contact.locale,
            "timezone": contact.timezone,
        },
        "unsubscribe_url": "" if facts.critical else _link(notification, facts),
    }


def _link(notification: Notification, facts: TemplateFacts) -> str:
    subscription = Subscription(user_id=notification.user_id, category=facts.category)
    return unsubscribe.link_for(subscription)
