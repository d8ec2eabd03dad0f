"""Take personal data out of what was sent to a user; that it was sent stays, as a count."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.notifications.lifecycle.states import CANCELLABLE, Status
from apps.notifications.lifecycle.transitions import advance_telling
from apps.notifications.models import (
    Attempt,
    DeadLetter,
    Event,
    Notification,
    Receipt,
    SandboxMessage,
)
from apps.notifications.privacy.redaction import ERASED
from apps.users import contacts


def erase_notifications(user_id: UUID) -> None:
    """Blank contents and providers' words of all of a user's notifications, and stop what waits."""
    with transaction.atomic():
        rows = Notification.objects.filter(user_id=user_id)
        # Locked in the order in which workers lock theirs, so that neither waits for the other.
        ids = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        # What providers said when something ended stands in the events as well.
        Event.objects.filter(notification_id__in=ids).update(detail="")
        waiting = list(rows.filter(status__in=CANCELLABLE).values_list("pk", flat=True))
        advance_telling(
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
        Receipt.objects.filter(notification_id__in=ids).update(detail="")
        DeadLetter.objects.filter(notification_id__in=ids).update(message={})
        SandboxMessage.objects.erase(ids)
        # Mails about accounts from before they were notifications stand in the sandbox without one.
        SandboxMessage.objects.filter(recipient__in=contacts.addresses_of(user_id)).delete()
