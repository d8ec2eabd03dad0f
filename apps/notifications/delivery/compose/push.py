"""Compose the push messages for a user's devices."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from apps.notifications.broker import topology
from apps.notifications.feedback import app_receipts
from apps.notifications.feedback.app_receipts import AppReceipt
from apps.notifications.models import Notification
from apps.notifications.providers.base import Push
from apps.templates.rendering import PushContent
from apps.users.contacts import Contact

# Four weeks: https://firebase.google.com/docs/cloud-messaging/concept-options#ttl
TTL_MAX_SECONDS = 2_419_200


def ttl_seconds(
    notification: Notification, *, now: datetime, most: int | None = None
) -> int | None:
    """Return the seconds for which the provider may store the message for an offline device.

    Args:
        notification: The notification, which may expire.
        now: The current time, UTC.
        most: The template's own time to live in seconds.

    Returns:
        The shorter of both; None means the provider's default.
    """
    if notification.expires_at is None:
        return most
    left = int((notification.expires_at - now).total_seconds())
    return min(max(left, 0), TTL_MAX_SECONDS if most is None else most)


def compose(
    notification: Notification,
    *,
    contact: Contact,
    content: PushContent,
    settled: Collection[UUID],
    now: datetime,
) -> list[Push]:
    """Compose one message for each active device that earlier rounds have not settled.

    Args:
        notification: The notification to send.
        contact: The user's contact data.
        content: The rendered content.
        settled: Devices that accepted it or refused it permanently in an earlier round.
        now: The current time, UTC.
    """
    return [
        Push(
            notification_id=notification.pk,
            correlation_id=notification.correlation_id,
            device_id=device.id,
            token=device.token,
            platform=device.platform,
            title=content.title,
            body=content.body,
            image=content.image,
            link=content.link,
            data=content.data,
            receipt=app_receipts.token_for(
                AppReceipt(notification_id=notification.pk, device_id=device.id)
            ),
            ttl_seconds=ttl_seconds(notification, now=now, most=content.ttl_seconds),
            sound=content.sound,
            badge=content.badge,
            channel_id=content.channel_id,
            silent=content.silent,
            collapse_id=content.collapse_id,
            # A newsletter must not wake a sleeping device.
            at_once=not topology.is_bulk(notification.lane),
            sensitive=notification.sensitive,
        )
        for device in contact.devices
        if device.id not in settled
    ]
