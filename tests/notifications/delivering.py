"""Deliver as the Celery task does, without the broker, and read the recorded attempts."""

from collections.abc import Sequence
from uuid import UUID

from apps.common.channels import Channel
from apps.notifications.broker import publisher
from apps.notifications.delivery import send
from apps.notifications.delivery.requeue import Requeue
from apps.notifications.models import Attempt, Notification


def deliver(*, channel: Channel, ids: Sequence[UUID], attempt: int) -> list[Requeue]:
    """Deliver, publish what failed, and return what the task retries."""
    left = send.deliver(channel=channel, ids=ids, attempt=attempt)
    publisher.publish_failed(left.failed)
    return left.retries


def deliver_and_refresh(*rows: Notification) -> list[Requeue]:
    """Deliver rows of one channel as their message would, and read them again."""
    channel, attempt = Channel(rows[0].channel), rows[0].attempts
    again = deliver(channel=channel, ids=[row.pk for row in rows], attempt=attempt)
    for row in rows:
        row.refresh_from_db()
    return again


def outcomes_of(row: Notification) -> list[tuple[int, str, str]]:
    """Return number, outcome and code of each attempt of a row."""
    return list(Attempt.objects.filter(notification=row).values_list("number", "outcome", "code"))
