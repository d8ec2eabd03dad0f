"""Erase personal data from a user's notifications. The rows stay for the counts."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.notifications.lifecycle.states import CANCELLABLE, Status
from apps.notifications.lifecycle.transitions import advance_with_event
from apps.notifications.models import (
    Attempt,
    BatchError,
    DeadLetter,
    Event,
    Notification,
    Receipt,
    SandboxMessage,
)
from apps.notifications.privacy.redaction import ERASED
from apps.users import contacts


def erase_notifications(user_id: UUID) -> None:
    """Erase contents and providers' texts of a user's notifications, and skip unsent ones.

    Rows of uploads that were rejected and name the user are erased as well.
    """
    with transaction.atomic():
        rows = Notification.objects.filter(user_id=user_id)
        # Lock rows in the same order as workers do, so that the two cannot deadlock.
        ids = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        # The events of final statuses also contain texts of providers.
        Event.objects.filter(notification_id__in=ids).update(detail="")
        waiting = list(rows.filter(status__in=CANCELLABLE).values_list("pk", flat=True))
        advance_with_event(
            waiting,
            to=Status.SKIPPED,
            now=timezone.now(),
            detail="the user was erased",
            reason="user_erased",
        )
        rows.update(**ERASED)
        Attempt.objects.filter(notification_id__in=ids).update(
            detail="", device_id=None, address_hash=None
        )
        Receipt.objects.filter(notification_id__in=ids).update(detail="", address_hash=None)
        DeadLetter.objects.filter(notification_id__in=ids).update(message={})
        SandboxMessage.objects.erase(ids)
        BatchError.objects.filter(user_id=user_id).forget_rows()
        # Account mails of releases in which they were not notifications are in the sandbox without
        # a notification id.
        SandboxMessage.objects.filter(recipient__in=contacts.addresses_of(user_id)).delete()
