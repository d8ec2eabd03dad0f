"""Deliver a chunk as the Celery task does, without the broker."""

from collections.abc import Sequence
from uuid import UUID

from apps.notifications.broker import publisher
from apps.notifications.broker.topology import Channel
from apps.notifications.delivery import send
from apps.notifications.delivery.requeue import Requeue


def deliver(*, channel: Channel, ids: Sequence[UUID], attempt: int) -> list[Requeue]:
    """Deliver, publish what failed, and return what the task retries."""
    left = send.deliver(channel=channel, ids=ids, attempt=attempt)
    publisher.publish_failed(left.failed)
    return left.retries
