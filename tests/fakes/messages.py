"""Composed messages to pass to a provider."""

from typing import Any

from apps.common.ids import new_id
from apps.notifications.providers.base import Mail, Push


def a_mail(recipient: str = "bob@example.com", **changes: Any) -> Mail:
    """Make a mail to Bob."""
    notification_id = changes.pop("notification_id", None) or new_id()
    fields: dict[str, Any] = {
        "notification_id": notification_id,
        "correlation_id": "corr-1",
        "message_id": f"<{notification_id}@notifications.example.com>",
        "sender": "Notifications <notifications@example.com>",
        "recipient": recipient,
        "recipient_name": "Bob",
        "subject": "Your order",
        "text": "It is on its way.",
        "html": "<p>It is on its way.</p>",
        "headers": {},
    }
    return Mail(**fields | changes)


def a_push(token: str = "token-of-bob", **changes: Any) -> Push:
    """Make a push to Bob's phone."""
    fields: dict[str, Any] = {
        "notification_id": new_id(),
        "correlation_id": "corr-1",
        "device_id": new_id(),
        "token": token,
        "platform": "android",
        "title": "Your order",
        "body": "It is on its way.",
    }
    return Push(**fields | changes)
