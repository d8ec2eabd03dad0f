"""Calls of a mail provider that were recorded, and what came of them."""

from collections.abc import Callable

from django.utils import timezone

from apps.notifications.models import Attempt, Notification
from apps.users import contacts
from apps.users.addresses import address_hash
from apps.users.models import User

# Makes a mail for which the provider was called.
Call = Callable[..., Notification]


def record_call(row: Notification, address: str, *, provider: str) -> None:
    Attempt.objects.create(
        notification=row,
        number=1,
        provider=provider,
        address_hash=address_hash(address),
        outcome="accepted",
        correlation_id=row.correlation_id,
        started_at=timezone.now(),
        duration_ms=1,
    )


def ending(row: Notification) -> tuple[str, str]:
    row.refresh_from_db()
    return row.status, row.reason


def wants(user: User, category: str) -> bool:
    return contacts.load_contacts([user.pk])[user.pk].allows("email", category)
