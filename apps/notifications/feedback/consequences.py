"""What events change beyond their notification: the suppression list and preferences.

None of these needs a lock on notifications, and each can be repeated. So a delivery of events does
it first and records the events afterwards: what ends between the two is done again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from apps.common.callers import Kind
from apps.common.channels import Channel
from apps.common.postgresql.one_of import OneOf
from apps.notifications.feedback.events import (
    ABOUT_ADDRESS,
    AFTER_A_CALL,
    ProviderEvent,
    ReceiptEvent,
)
from apps.notifications.lifecycle.states import Status
from apps.notifications.models import Attempt, Notification, Receipt
from apps.templates import rendering
from apps.users import contacts
from apps.users.contacts import NewSuppression, SuppressionReason

log = structlog.get_logger(__name__)

# The reason of a mail that a provider dropped because its recipient had complained before.
COMPLAINED_BEFORE = "complaint"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """An event, the notification that it is about, and the hash of the address that it concerns."""

    row: Notification
    event: ProviderEvent
    address_hash: str | None


Calls = Mapping[UUID, Sequence[str | None]]


def calls_for(ids: Collection[UUID]) -> Calls:
    """Return the address hashes of the calls for notifications, newest first, with one query.

    A notification without a recorded call is missing.
    """
    found: defaultdict[UUID, list[str | None]] = defaultdict(list)
    if ids:
        calls = Attempt.objects.filter(OneOf("notification_id", ids)).order_by("-pk")
        for notification_id, hashed in calls.values_list("notification_id", "address_hash"):
            found[notification_id].append(hashed)
    return found


def was_called_for(row: Notification, calls: Calls) -> bool:
    """Return whether a provider may have been called for a notification.

    A worker that died may have made a call without recording it, which counts as a crash. A report
    that ended the notification before that was counted is a trace of the call as well.
    """
    if row.attempts or row.crashes or row.status in AFTER_A_CALL or row.pk in calls:
        return True
    return row.status == Status.FAILED and row.receipts.exists()


def with_addresses(
    pairs: Iterable[tuple[Notification, ProviderEvent]], calls: Calls
) -> list[Reported]:
    """Find the address that each event concerns; None if it is none of its notification.

    An event that names no address concerns the one of the latest call. Without a recorded call, the
    worker died recently. The current address is then the one that the mail was sent to.
    """
    listed = list(pairs)
    about = [row for row, event in listed if _is_about_an_address(row, event)]
    unrecorded = {row.user_id for row in about if row.pk not in calls}
    people = contacts.load_contacts(unrecorded) if unrecorded else {}

    def hashes_of(row: Notification) -> list[str]:
        if row.pk in calls:
            return [hashed for hashed in calls[row.pk] if hashed is not None]
        person = people.get(row.user_id)
        address = row.recipient if row.recipient is not None else person and person.email
        return [contacts.address_hash(address)] if address else []

    found: list[Reported] = []
    for row, event in listed:
        hashed = None
        if _is_about_an_address(row, event):
            known = hashes_of(row)
            named = event.address_hash or next(iter(known), None)
            hashed = named if named in known else None
            if hashed is None:
                log.warning("the bounced address is unknown", notification_id=str(row.pk))
        found.append(Reported(row=row, event=event, address_hash=hashed))
    return found


def _is_about_an_address(row: Notification, event: ProviderEvent) -> bool:
    # A test concerns no address: the suppression list has those of real mail only.
    return (row.channel == Channel.EMAIL and not row.is_test) and (
        event.event in ABOUT_ADDRESS or event.reason == COMPLAINED_BEFORE
    )


def suppress(reported: Iterable[Reported]) -> None:
    """Put the addresses of hard bounces and complaints on the suppression list."""
    entries: dict[str, NewSuppression] = {}
    users: dict[str, UUID] = {}
    for each in reported:
        reason = _suppression_reason(each.event)
        if reason is None or each.address_hash is None:
            continue
        users[each.address_hash] = each.row.user_id
        entries.setdefault(
            each.address_hash,
            NewSuppression(
                address_hash=each.address_hash, reason=reason, source=each.event.provider
            ),
        )
    if entries:
        contacts.suppress_hashes(entries, users=users)


def _suppression_reason(event: ProviderEvent) -> SuppressionReason | None:
    if event.event is ReceiptEvent.BOUNCED:
        return SuppressionReason.HARD_BOUNCE
    if event.event is ReceiptEvent.COMPLAINED or event.reason == COMPLAINED_BEFORE:
        return SuppressionReason.COMPLAINT
    return None


def suppress_after_soft_bounces(reported: Iterable[Reported]) -> None:
    """Suppress for a while the addresses whose mail came back too often.

    Called after the events are stored, because they count as well. Several events of one
    notification count once.
    """
    users = {
        each.address_hash: each.row.user_id
        for each in reported
        if each.event.event is ReceiptEvent.SOFT_BOUNCED and each.address_hash is not None
    }
    if not users or not settings.SOFT_BOUNCE_LIMIT:
        return
    period = timedelta(days=settings.SOFT_BOUNCE_DAYS)
    now = timezone.now()
    counted = (
        Receipt.objects.filter(
            address_hash__in=users,
            event=ReceiptEvent.SOFT_BOUNCED,
            occurred_at__gt=now - period,
            notification__isnull=False,
        )
        .values("address_hash")
        .annotate(times=Count("notification_id", distinct=True))
        .filter(times__gte=settings.SOFT_BOUNCE_LIMIT)
    )
    entries = {
        str(hashed): NewSuppression(
            address_hash=str(hashed),
            reason=SuppressionReason.SOFT_BOUNCES,
            source="receipts",
            note=f"{times} mails came back in {settings.SOFT_BOUNCE_DAYS} days",
            expires_at=now + period,
        )
        for hashed, times in counted.values_list("address_hash", "times")
    }
    if entries:
        contacts.suppress_hashes(entries, users=users)


def change_preferences(reported: Sequence[Reported]) -> None:
    """Turn mail off and on as recipients asked their mail provider, in the order of the events.

    A group is the category of the notification. A critical template has no unsubscribe link of
    ours; an account mail has no category.
    """
    asked = [each for each in reported if each.event.event in _SWITCHES]
    asked = [each for each in asked if each.row.kind != Kind.TEST]
    if not asked:
        return
    versions = {each.row.template_version_id for each in asked if each.row.recipient is None}
    facts = rendering.load_versions(versions)
    changes: dict[tuple[UUID, str | None], bool] = {}
    for each in sorted(asked, key=lambda each: each.event.occurred_at):
        enabled, in_general = _SWITCHES[each.event.event]
        known = facts.get(each.row.template_version_id)
        category = None if in_general or known is None else known.category
        changes[each.row.user_id, category] = enabled
    contacts.set_channels(changes, channel=Channel.EMAIL)


# Whether an event turns mail on, and whether it concerns all mail.
_SWITCHES: Mapping[ReceiptEvent, tuple[bool, bool]] = {
    ReceiptEvent.UNSUBSCRIBED: (False, True),
    ReceiptEvent.GROUP_UNSUBSCRIBED: (False, False),
    ReceiptEvent.GROUP_RESUBSCRIBED: (True, False),
}
